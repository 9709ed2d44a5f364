"""Stage `download`: each corpus as one zip, with its provenance."""

from deepemo.corpora.download.acquire import acquire
from deepemo.corpora.registry import CORPORA
from deepemo.files import RAW
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/raw."""
    corpora = [CORPORA[name] for name in params.download.corpora]
    acquired = acquire(corpora, params.download, raw_dir=RAW, seed=params.seed)
    counts = (
        f"{provenance.corpus} {provenance.recordings} of {provenance.published_recordings} recordings"
        for provenance in acquired
    )
    return f"download: {', '.join(counts)}"


if __name__ == "__main__":
    stage_main(main)
