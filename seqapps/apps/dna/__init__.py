"""DNA binding sites: which transcription factors bind a sequence."""

from seqapps.app import App, Asks, Feature, Output
from seqapps.apps.dna.params import Params

APP = App(
    title="DNA binding sites",
    package=__name__,
    params=Params,
    features={
        "sequence": Feature("string"),  # upper-case ACGTN
        "labels": Feature("float32", (None,)),  # one per factor: 1 bound, 0 not, -1 unknown
        "kind": Feature("string"),  # "site", "shuffle" or "given" (a negative the user gave)
        "factor": Feature("int64"),  # index of the factor the site was listed under
    },
    headline=("auroc_shuffles", "max"),
    asks=Asks(
        "Paste DNA, or give a FASTA file: how likely each factor binds each sequence.",
        endings=(".fa", ".fasta", ".fna", ".fas", ".gz"),
        pasted="pasted.fa",
        heading=">pasted",
    ),
    reported=("auroc_peaks", "auprc_shuffles", "auprc_peaks"),
    outputs={
        "probability": Output("of a site in the best window", names="factors"),
        "best_start": Output("first base of the best window, from 0", names="factors"),
        "best_strand": Output("of the best window, 1 or -1", names="factors"),
        "per_window": Output("probability, mean over windows", names="factors"),
        "effect": Output("change of the logit", names="factors"),
    },
)
