"""Stage `embed`: one pass of the frozen ImageNet backbone over every clip."""

from pathlib import Path

from deepemo.audio.spectrogram import FeatureSpec
from deepemo.dataset.shards import read_spec, write_shards
from deepemo.models.imagenet.backbones.build import build_backbone
from deepemo.models.imagenet.embed import embed_features
from deepemo.models.imagenet.network import build_embedder, picture_bands
from deepemo.params import Params
from deepemo.training.loop import seed_everything
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/embeddings."""
    seed_everything(params.seed)
    embed = params.embed
    about = read_spec(Path("data/features"))
    spec = FeatureSpec.from_dict(about["features"])
    bands = picture_bands(spec.bands, embed.band_pooling)
    backbone = build_backbone(embed.backbone, weights=embed.weights, height=spec.frames, width=bands, seed=params.seed)
    embedder = build_embedder(
        backbone, frames=spec.frames, bands=spec.bands, band_pooling=embed.band_pooling, depths=embed.depths
    )
    width = embedder.output_shape[-1]
    count = write_shards(
        Path("data/embeddings"),
        embed_features(Path("data/features"), embedder, batch_size=embed.batch_size),
        shards=about["shards"],
        shape=(width,),
        about={
            "features": spec.to_dict(),
            "backbone": embed.backbone,
            "weights": embed.weights,
            "band_pooling": embed.band_pooling,
            "depths": embed.depths,
        },
    )
    return f"embed: {count} clips, {width} values each by {embed.backbone}"


if __name__ == "__main__":
    stage_main(main)
