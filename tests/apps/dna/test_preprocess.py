import json
import random
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.app import Item, Skip
from seqapps.apps.dna import preprocess
from seqapps.apps.dna.params import Preprocess
from seqapps.config import UserError

RNG = random.Random(0)


def bases(length=40):
    return "".join(RNG.choices("ACGT", k=length))


def params(**table):
    usual = {"window_bp": 20, "jitter_bp": 4, "kmer_bp": 2, "embedding_dim": 4, "seed": 1}
    return SimpleNamespace(preprocess=Preprocess(**(usual | table)))


def filler(at):
    """One usable site on a chromosome of each split."""
    return "".join(f">chr{n}:{at}-{at + 40}\n{bases()}\n" for n in (1, 2, 7))


def index(tmp_path, table, complete=True, **files):
    """Index entries of the FASTA texts; `complete` adds sites so that no split is empty."""
    (tmp_path / "factors.json").write_text(json.dumps(list(files)))
    for place, (name, text) in enumerate(files.items()):
        extra = filler(900_000 + 1000 * place) if complete else ""
        (tmp_path / f"{name}.fa").write_text(text + extra)
    return list(preprocess.index(table, tmp_path))


def own(entries, word):
    """Entries whose record's name starts with `word`."""
    return [entry for entry in entries if entry.key.split("/")[2].startswith(word)]


@pytest.mark.parametrize(
    ("header", "split", "group"),
    [
        ("chr1:100-140", "test", "chr1"),
        ("chr9:100-140 score", "test", "chr9"),
        ("chr10:100-140", "validation", "chr10"),
        ("chr2:100-140", "train", "chr2"),
        ("8:100-140", "test", "chr8"),
        ("peak::chr7:100-140(+)", "validation", "chr7"),
        ("chr1:100-140 split=train", "train", "own-train-chr1"),
        ("chr2:100-140 split=test", "test", "own-test-chr2"),
    ],
)
def test_the_chromosome_decides_the_split_unless_the_user_did(tmp_path, header, split, group):
    site, *_ = index(tmp_path, params(), tf=f">{header}\n{bases()}\n")
    assert (site.split, site.group) == (split, group)


def test_other_chromosomes_can_be_held_out(tmp_path):
    table = params(test_chromosomes=("chr2",), validation_chromosomes=("chr1",))
    entries = index(tmp_path, table, complete=False, tf=filler(100) + filler(900))
    assert {(e.group, e.split) for e in entries} == {
        ("chr1", "validation"),
        ("chr2", "test"),
        ("chr7", "train"),
    }


def test_without_coordinates_the_sequence_decides_in_shares_of_70_10_20(tmp_path):
    text = "".join(f">s{i}\n{bases()}\n" for i in range(3000))
    sites = [e for e in index(tmp_path, params(), tf=text) if e.where[0] == "site"]
    counts = Counter(e.split for e in own(sites, "s"))
    assert counts["test"] == pytest.approx(600, abs=70)
    assert counts["validation"] == pytest.approx(300, abs=50)


def test_a_group_lies_in_one_split(tmp_path):
    text = "".join(f">s{i}\n{bases()}\n" for i in range(3000))
    entries = index(tmp_path, params(), a=text, b=filler(5000))
    splits = {(e.group, e.split) for e in entries}
    assert len(splits) == len({group for group, _ in splits})


def test_where_holds_the_middle_wide_enough_for_jitter_in_train_only(tmp_path):
    sequence = "A" * 10 + "CCGT" + "ACGTTGCAACGG" + "TCAG" + "T" * 10
    text = f">chr2:5-45\n{sequence}\n>chr1:5-45\n{sequence.replace('TTGC', 'GGGG')}\n"
    entries = index(tmp_path, params(), tf=text)
    train, test = own(entries, "chr2:5-")[0], own(entries, "chr1:5-")[0]
    assert train.where == ("site", 0, "tf", sequence[6:34])
    assert test.where[3] == sequence.replace("TTGC", "GGGG")[10:30]


def test_a_train_site_too_short_for_jitter_gives_the_window(tmp_path):
    site = own(index(tmp_path, params(), tf=f">chr2:5-30\n{bases(25)}\n"), "chr2:5-")[0]
    assert len(site.where[3]) == 20


def test_shuffles_share_split_and_group_with_their_site(tmp_path):
    entries = index(tmp_path, params(shuffles_per_site=3), tf=f">chr1:5-45\n{bases()}\n")
    site, *shuffles = own(entries, "chr1:5-")
    assert [e.where[0] for e in shuffles] == ["shuffle"] * 3
    assert {(e.split, e.group, e.where[1:]) for e in shuffles} == {
        (site.split, site.group, site.where[1:])
    }
    assert len({e.key for e in entries}) == len(entries)


def test_a_given_negative_is_one_item_without_shuffles(tmp_path):
    entries = index(tmp_path, params(), tf=f">n1 bound=0 split=test\n{bases()}\n")
    (negative,) = own(entries, "n1")
    assert (negative.where[0], negative.split) == ("given", "test")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f">x\n{'ACGTJ' * 8}\n", "letters other than A, C, G, T, U, N"),
        (">x\nMKLVINQE\n", "letters other than A, C, G, T, U, N"),
        (">x\nACGT\n", "shorter than the window of 20 bp"),
        (">x\n>chr2:1-41\n" + bases(), "shorter than the window of 20 bp"),
        (f">x\n{'N' * 25}{'ACGTA' * 4}\n", "more than half of it is N"),
        (f">x\n{'ACGTA' * 6}{'N' * 20}{'CCGTA' * 6}\n", "more than half of it is N"),
        (f">x\n{'ACGTA' * 20_001}\n", "longer than 100,000 bp: sites are wanted, not a genome"),
    ],
)
def test_an_unusable_record_is_a_skip_that_names_it(tmp_path, text, reason):
    entries = index(tmp_path, params(), tf=text if text.endswith("\n") else text + "\n")
    assert [e for e in entries if isinstance(e, Skip)] == [Skip(reason, "tf/1/x")]


def test_case_and_ambiguity_codes_are_read(tmp_path):
    (site, _) = own(index(tmp_path, params(), tf=">x\nacgtRCGTACGTACGTACGT\n"), "x")
    assert site.where[3] == "ACGTNCGTACGTACGTACGT"


def test_a_repeat_in_any_case_or_strand_is_left_out_once_seen(tmp_path):
    sequence = bases()
    other_strand = sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))
    text = f">a\n{sequence}\n>b\n{sequence.lower()}\n>c\n{other_strand}\n>d\n{bases()}\n"
    entries = index(tmp_path, params(), tf=text)
    repeats = [e for e in entries if isinstance(e, Skip)]
    assert [e.key for e in repeats] == ["tf/2/b", "tf/3/c"]
    assert {e.reason for e in repeats} == {"duplicate sequence"}


def test_sites_of_two_factors_closer_than_200_bp_are_left_out_of_both(tmp_path):
    a = f">chr2:1000-1040\n{bases()}\n>chr2:5000-5040\n{bases()}\n>chr3:1000-1040\n{bases()}\n"
    b = f">chr2:1199-1239\n{bases()}\n>chr2:5200-5240\n{bases()}\n"
    skipped = [e.key for e in index(tmp_path, params(), a=a, b=b) if isinstance(e, Skip)]
    assert skipped == ["a/1/chr2:1000-1040", "b/1/chr2:1199-1239"]


def test_a_shared_site_is_found_behind_a_nearer_one_of_the_same_factor(tmp_path):
    a = f">chr2:1000-1040\n{bases()}\n>chr2:1100-1140\n{bases()}\n"
    b = f">chr2:1150-1190\n{bases()}\n"
    skipped = [e.key for e in index(tmp_path, params(), a=a, b=b) if isinstance(e, Skip)]
    assert skipped == ["a/1/chr2:1000-1040", "a/2/chr2:1100-1140", "b/1/chr2:1150-1190"]


def test_a_sequence_of_two_factors_is_left_out_of_both_but_not_a_given_negative(tmp_path):
    shared, other = bases(), bases()
    a = f">x\n{shared}\n>y\n{other}\n"
    b = f">z\n{shared}\n>n bound=0\n{other}\n"
    entries = index(tmp_path, params(), a=a, b=b)
    assert [e.key for e in entries if isinstance(e, Skip)] == ["a/1/x", "b/1/z"]
    assert own(entries, "n")[0].where[0] == "given"


def test_index_is_the_same_every_time_and_sees_changed_files(tmp_path):
    first = index(tmp_path, params(), tf=f">x\n{bases()}\n")
    assert list(preprocess.index(params(), tmp_path)) == first
    assert len(index(tmp_path, params(), tf=f">x\n{bases()}\n>y\n{bases()}\n")) == len(first) + 2


def test_a_factor_without_sites_in_a_split_is_an_error_that_says_why(tmp_path):
    text = f">chr2:1-41\n{bases()}\n>chr7:1-41\n{bases()}\n>chr1:1-5\nACGT\n"
    with pytest.raises(UserError, match=r"'tf' has .*'test': 0.*1 shorter than.*chr1, chr8, chr9"):
        index(tmp_path, params(), complete=False, tf=text)


def test_a_file_of_nothing_usable_is_an_error(tmp_path):
    with pytest.raises(UserError, match="2 letters other than"):
        index(tmp_path, params(), complete=False, tf=">x\nMKLV\n>y\nMKLV\n")


@pytest.fixture
def assets(tmp_path):
    (tmp_path / "assets.json").write_text(json.dumps({"factors": ["a", "b", "c"]}))
    return tmp_path


def item(kind, key="k", sequence="ACGTTGCAACGGTCAGGATC"):
    return Item(key, "train", "chr2", (kind, 1, "b", sequence))


@pytest.mark.parametrize(
    ("kind", "other_peaks", "labels"),
    [
        ("site", "negative", [0, 1, 0]),
        ("site", "unknown", [-1, 1, -1]),
        ("shuffle", "negative", [0, 0, 0]),
        ("shuffle", "unknown", [0, 0, 0]),
        ("given", "negative", [-1, 0, -1]),
    ],
)
def test_labels_say_bound_not_bound_or_unknown(assets, kind, other_peaks, labels):
    record = preprocess.example(params(other_peaks=other_peaks), assets, item(kind))
    assert record["labels"].tolist() == labels
    assert record["labels"].dtype == np.float32
    assert (record["kind"], record["factor"]) == (kind, 1)


def test_a_site_keeps_its_sequence_and_a_shuffle_its_composition(assets):
    sequence = item("site").where[3]
    shuffled = preprocess.example(params(), assets, item("shuffle"))["sequence"]
    assert preprocess.example(params(), assets, item("site"))["sequence"] == sequence
    assert shuffled != sequence
    assert Counter(shuffled) == Counter(sequence)


def test_a_shuffle_depends_on_seed_and_key_only(assets):
    def made(key="k", seed=1):
        return preprocess.example(params(seed=seed), assets, item("shuffle", key))["sequence"]

    assert made() == made()
    assert len({made(), made(key="l"), made(seed=2)}) == 3


def test_a_site_with_one_arrangement_has_no_shuffle(assets):
    entry = preprocess.example(params(), assets, item("shuffle", sequence="AC" * 10))
    assert entry == Skip("its only shuffle is itself", "k")


def test_kmers_count_in_base_four_from_one():
    assert [preprocess.kmer_number(kmer) for kmer in ("AA", "AC", "CA", "TT")] == [1, 2, 5, 16]


def fitted(folder, table, items):
    folder.mkdir()
    preprocess.assets(table, items, folder)
    return np.load(folder / "embedding.npy")


def test_assets_name_the_factors_in_label_order(tmp_path):
    items = [
        Item("b", "train", "g", ("site", 1, "second", bases())),
        Item("a", "train", "g", ("site", 0, "first", bases())),
    ]
    fitted(tmp_path / "a", params(kmer_stride_bp=3), items)
    assert json.loads((tmp_path / "a/assets.json").read_text()) == {
        "factors": ["first", "second"],
        "window_bp": 20,
        "kmer_bp": 2,
        "kmer_stride_bp": 3,
    }


def test_embedding_has_a_row_per_kmer_and_zeros_for_what_was_not_seen(tmp_path):
    items = [Item("a", "train", "g", ("site", 0, "tf", "ACACACACACNACACACACAC"))] * 3
    items.append(Item("s", "train", "g", ("shuffle", 0, "tf", "GGGGGGGGGGGGGGGGGGGGG")))
    rows = fitted(tmp_path / "a", params(embedding_dim=3, kmer_stride_bp=1), items)
    assert rows.shape == (17, 3)
    assert rows.dtype == np.float32
    assert np.flatnonzero(np.abs(rows).sum(1)).tolist() == [2, 5]  # AC and CA


def test_embedding_is_the_same_whatever_the_order_and_bounded(tmp_path, monkeypatch):
    items = [Item(f"k{i}", "train", "g", ("site", 0, "tf", bases(60))) for i in range(40)]
    once = fitted(tmp_path / "a", params(), items)
    again = fitted(tmp_path / "b", params(), items[::-1])
    monkeypatch.setattr(preprocess, "EMBEDDED_SEQUENCES", 5)
    bounded = fitted(tmp_path / "c", params(), items)
    assert np.array_equal(once, again)
    assert not np.array_equal(once, bounded)
