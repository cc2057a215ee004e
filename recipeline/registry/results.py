"""The type of an entry of the ledger. No library is imported to read one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime

#: How far an entry of the ledger was carried out.
OPEN, APPLIED, REVERTED = "open", "applied", "reverted"


@dataclass(frozen=True)
class Entry:
    """A change of Production, or a note.

    `before` and `after` are versions, empty for none. `number` and `state` (open while it is carried out, then applied, or
    reverted) are not part of the hash.
    """

    previous_hash: str
    time: str
    kind: str
    before: str
    after: str
    actor: str
    host: str
    reason: str
    run_id: str
    evidence: str = ""
    acknowledged: tuple[str, ...] = ()
    number: int = field(default=0, compare=False)
    state: str = field(default=OPEN, compare=False)

    def content(self) -> str:
        """Return what is hashed, in one form."""
        values = asdict(self)
        del values["number"], values["state"]
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    @property
    def hash(self) -> str:
        """The sha256 of the content, in hex."""
        return hashlib.sha256(self.content().encode()).hexdigest()

    @property
    def when(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.fromisoformat(self.time)
