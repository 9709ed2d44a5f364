"""Stages `train_<family>`, run as `python -m stages.train <family>`: train the network of a model family."""

from deepemo.dataset.split import TRAIN, fingerprint_clips, read_split
from deepemo.files import METRICS, MODELS, PLOTS, RESUME, SPLIT, write_json
from deepemo.models.registry import family_names, load_family
from deepemo.models.saved import save_model
from deepemo.params import Params
from deepemo.training.devices import devices, is_chief
from deepemo.training.fit import summary, write_history
from deepemo.training.seeding import seed_everything
from stages._run import family_argument, stage_main


def main(params: Params, family: str) -> str:
    """Write models/<family>, its learning curve and its metrics; if there are several workers, the first one writes."""
    with devices() as where:
        seed_everything(params.seed)
        split = read_split(SPLIT, params.emotions)
        trained = load_family(family).train(params, split, RESUME / family)
        metrics = summary(trained.history)
        if is_chief():
            trained_on = fingerprint_clips(split.loc[split["role"] == TRAIN, "clip"])
            save_model(
                MODELS / family,
                trained,
                kind=family,
                emotions=params.emotions,
                trained_on=trained_on,
                seed=params.seed,
            )
            write_history(PLOTS / f"learning_curve_{family}.csv", trained.history)
            write_json(METRICS / f"train_{family}.json", metrics)
    return f"train_{family}: {metrics} on {where}"


if __name__ == "__main__":
    stage_main(main, family_argument("train", family_names()))
