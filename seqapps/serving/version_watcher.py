"""The versions of a served model: loaded, checked on an example, and swapped while serving."""

import logging
from pathlib import Path

from seqapps.artifacts import layout
from seqapps.artifacts.saved_model import SavedModel

WATCH_SECONDS = 1.0
log = logging.getLogger("seqapps.serving.server")


class NoSuchVersion(LookupError):
    """The requested version is not loaded."""


class Versions:
    """The loaded versions of one model, newest last; they follow the versions in its folder.

    A request without a version is answered by the champion, or by the newest version if there is
    no champion. A request keeps the version it began with, so a swap drops no request. A version
    that cannot be loaded, or does not answer its example, is refused once and the others stay.
    """

    def __init__(self, name: str, exported: Path):
        self.name, self.exported = name, exported
        self.loaded: dict[int, SavedModel] = {}
        self._written: dict[int, int] = {}  # version -> when its graph was written
        self._champion: int | None = None

    def refresh(self) -> bool:
        """Loads new versions, drops those that are gone; returns True if anything changed."""
        written = {}
        for number in layout.versions(self.exported):
            graph = layout.version(self.exported, number) / layout.GRAPH
            try:
                written[number] = graph.stat().st_mtime_ns
            except FileNotFoundError:  # the folder is being replaced
                return False
        changed = {n for n, when in written.items() if self._written.get(n) != when}
        for number in sorted(changed):
            self._try(layout.version(self.exported, number))
        kept = {number: model for number, model in self.loaded.items() if number in written}
        gone = len(kept) < len(self.loaded)
        if kept:  # else keep the old versions until a new one answers
            self.loaded = kept
        if written:  # empty between the two renames that replace the folder
            self._written = written
        return self._follow_champion() or bool(changed) or gone

    def version(self, number: str | None) -> SavedModel:
        """The requested version; for None the champion, or the newest."""
        if number is None:
            loaded = self.loaded  # read once: the watching thread may replace it
            champion = self._champion if self._champion in loaded else max(loaded)
            return loaded[champion]
        known = ", ".join(map(str, self.loaded))
        if not number.isdecimal() or int(number) not in self.loaded:
            raise NoSuchVersion(f"{self.name} has no version {number}; there is: {known}")
        return self.loaded[int(number)]

    def _follow_champion(self) -> bool:
        """Follows `champion.json`, unless it is missing or its version is not loaded."""
        named = layout.champion_number(self.exported)
        if named == self._champion or named not in self.loaded:
            return False
        self._champion = named
        log.warning("%s: version %s answers", self.name, named)
        return True

    def _try(self, folder: Path) -> None:
        try:
            model = SavedModel(folder)
            if request := model.example():
                request[0](request[1])
        except Exception as error:
            log.error("%s is refused: %s", folder, str(error)[:500])
        else:
            self.loaded = dict(sorted({**self.loaded, model.number: model}.items()))
            log.warning("%s answers", folder)
