"""The lanes of a fine-tuning: models, batches, features of what is frozen."""

from pathlib import Path

from umsrep import backend
from umsrep import tasks as task_kinds
from umsrep.finetuning.features import FeatureStore, rest, size, sources
from umsrep.finetuning.freezing import encoder_paths
from umsrep.model import MultiTaskModel
from umsrep.training import Lane, RatePerPart

# Versions of an image that tasks share on a frozen encoder, if they make a
# number of steps: at most the first, and new ones if not even the second fit.
VERSIONS, FEWEST = 8, 4


class Lanes:
    """Makes the lanes of one training, each of the tasks of one model.

    Args:
        strategy: The `FineTuning`.
        train_data, validation_data: As of `FineTuning.fit`.
        budget: {"batch_size", "steps"} of `FineTuning.fit`.
        drawn: {"augmentation", "draws", "seed"} of the training batches.

    Attributes:
        frozen: Names of the parts that are frozen.
        stores: `FeatureStore`s of (training, validation) images, or None.
        cached: What is kept of the frozen encoder, for run.json: versions of
            each image (`draws`), GiB, and whether in memory; None: nothing.
        solved: {task: `solving.Solved`} of heads that make no steps as long as
            the encoder is frozen.
    """

    def __init__(self, strategy, train_data, validation_data, budget, drawn):
        self.strategy = strategy
        self.train_data = train_data
        self.validation_data = validation_data
        self.frozen = ()
        self.stores = None
        self.cached = None
        self.solved = {}
        # {name of a lane: its optimizer while the encoder is frozen}
        self._optimizers = {}
        self.batch_size = budget["batch_size"]
        self.steps = budget["steps"]
        self.drawn = self._given = drawn

    def __call__(self, name, view, run_length=0):
        """The `Lane` of a model, compiled, with its batches.

        Args:
            name: Name of the lane.
            view: A `MultiTaskModel`.
            run_length: As of `Lane`.
        """
        strategy, stores = self.strategy, self.stores
        idle = not view.trainable_variables
        if idle:
            stores = None
        solved = {t: self.solved[t] for t in view.tasks if t in self.solved}
        inputs = sources(view, self.frozen) if stores else ()
        options = {
            "batch_size": self.batch_size,
            "tasks": view.tasks,
            "channels": view.representation.image_shape[-1],
            "inputs": inputs,
        }

        def batches(data, store, **more):
            data = data.subset(any_label(data, view.tasks))
            return data.batches(features=store, **options, **more)

        drawn = {
            **self.drawn,
            "every_task": self.steps is not None,
            "balance": strategy.class_balance,
        }
        training, validation = stores or (None, None)
        trained = rest(view, inputs) if stores else view
        trained.compile(
            self._optimizer(name, trained),
            jit_compile=trained.jit(strategy.xla),
        )
        if strategy.release_after is not None:
            # Before the release, where a resumed training has made no step.
            trained.optimizer.build(trained.trainable_variables)
        return Lane(
            name,
            trained,
            batches(self.train_data, training, shuffle=True, **drawn),
            batches(self.validation_data, validation, seed=self.drawn["seed"]),
            run_length,
            whole=view,
            steps=self.steps,
            idle=idle,
            solved=solved if "encoder" in self.frozen else {},
            seconds_before=sum(each.seconds for each in solved.values()),
        )

    def _optimizer(self, name, model):
        """A new optimizer; after a release, one that goes on with the heads."""
        strategy = self.strategy
        new = strategy.optimizer_of(name)
        if "encoder" in self.frozen:
            self._optimizers[name] = new
            return new
        before = self._optimizers.get(name)
        if before is None and strategy.encoder_rate == 1:
            return new
        return RatePerPart(
            before or strategy.optimizer_of(name),
            new,
            [*encoder_paths(model.representation), *self._solved_paths(model)],
            strategy.encoder_rate,
        )

    def _solved_paths(self, model):
        """Variables of heads that go on from their solution."""
        return [
            variable.path
            for head in model.heads
            if head.name in self.solved
            for variable in head.variables
        ]

    def open_stores(self, model, folder):
        """Has lanes made from now on read features, if that can save time.

        Args:
            model: What `FineTuning.fit` trains.
            folder: Folder for what does not fit into memory, or None.
        """
        if not self._cacheable(model):
            return
        trained = [t for t in model.tasks if t not in self.solved]
        if not trained:
            return
        # Where tasks train together, one model reads what all of them need.
        if len(trained) < len(model.tasks) and not self.strategy.adds_losses:
            model = model.view(trained)
        names = sources(model, self.frozen)
        pictured = [
            task
            for task in model.tasks
            if task_kinds.of(self.train_data.task(task)).place
            != task_kinds.CELL
        ]
        train_data, validation_data = (
            data.subset(any_label(data, model.tasks))
            for data in (self.train_data, self.validation_data)
        )
        memory = self.strategy.feature_memory * 2**30
        needed = size(model, names, train_data, pictured)
        drawn = {**self.drawn, "draws": self._draws(model, memory // needed)}
        if drawn["augmentation"] is not None:
            if drawn["draws"] is None:
                # With steps, tasks are not at the same pass over their
                # images: they share versions that come again, but no new
                # ones. A file that is written anew every epoch saves no time.
                if self.steps is not None or needed > memory:
                    return
            needed *= drawn["draws"] or 1
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        options = {"tasks": pictured, "folder": folder}
        fits = needed <= memory
        self.stores = (
            FeatureStore(
                model, names, train_data, memory=memory, **options, **drawn
            ),
            FeatureStore(
                model,
                names,
                validation_data,
                memory=memory - needed if fits else memory,
                seed=drawn["seed"],
                **options,
            ),
        )
        self.drawn = drawn
        self.cached = {
            "draws": drawn["draws"],
            "gib": round(sum(s.bytes for s in self.stores) / 2**30, 3),
            "in_memory": fits,
        }

    def release_stores(self):
        """Frees the memory of the stores; lanes made later have none."""
        for store in self.stores or ():
            store.release()
        self.stores = None
        self.drawn = self._given

    def _cacheable(self, model):
        if not self.strategy.cache_features or "encoder" not in self.frozen:
            return False
        if backend.shards() > 1:
            # One device would compute what each can for its own share.
            return False
        if not isinstance(model, MultiTaskModel):
            return False
        # Attention's targets follow the image's geometry at full size.
        return all(head.kind != "attention" for head in model.heads)

    def _draws(self, model, fitting):
        """How many versions of an image there are; None: new ones.

        Args:
            model: The `MultiTaskModel`.
            fitting: How many fit into memory.
        """
        draws = self.drawn["draws"]
        if self.steps is None or self.drawn["augmentation"] is None:
            return draws
        fewest = min(
            int(self.train_data.labelled(task).sum()) for task in model.tasks
        )
        # More than there are passes would never be shown.
        passes = -(-self.steps * self.batch_size // fewest)
        if draws is not None:
            return min(draws, passes)
        if fitting < min(FEWEST, passes):
            return None
        return int(min(VERSIONS, passes, fitting))


def any_label(data, tasks):
    """Which images have a label of at least one of the tasks."""
    return sum(data.labelled(task).astype(int) for task in tasks) > 0
