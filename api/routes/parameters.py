"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Path, Query

SearchId = Annotated[
    str,
    Path(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="id of the search", examples=["blood-cells-3f9a1c"]),
]
TrialNumber = Annotated[int, Path(ge=1, le=2**31 - 1, description="number of the trial in its search", examples=[17])]
PageSize = Annotated[int, Query(ge=1, le=500, description="at most so many entries")]
