"""EmoDB 2.0: all 816 takes of EmoDB, including the 281 that fewer than four in five listeners recognised.

Names, speakers and sentences are those of EmoDB. The 535 recordings of EmoDB are among these, and are quarantined as
duplicates if a run also uses `emodb`. The archive is in audformat's layout, but the names contain all that is needed.
"""

from dataclasses import replace

from deepemo.corpora.catalogue.emodb import CORPUS as EMODB
from deepemo.corpora.definition import ZenodoRecord

CORPUS = replace(
    EMODB,
    name="emodb2",
    title="EmoDB 2.0",
    homepage="https://zenodo.org/records/17651657",
    licence="CC BY 4.0 by its record (audEERING's edition: CC0 1.0)",
    citation=(
        f"{EMODB.citation}; Burkhardt F et al. (2025). EmoDB 2.0: A Database of Emotional Speech in a World that is "
        "not Black or White but Grey. Proceedings of Interspeech 2025. doi:10.5281/zenodo.17651657"
    ),
    clips=816,
    size_bytes=70_000_000,
    source=ZenodoRecord(record_url="https://zenodo.org/api/records/17651657", archive="emodb_2.0.zip"),
    folders=("emodb_2.0",),
)
