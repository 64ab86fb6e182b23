"""Construction of a shared representation by classification (UMS-Rep, 4.2)."""

from dataclasses import dataclass, field

from umsrep import finetuning, heads
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict, table_metrics
from umsrep.model import MultiTaskModel
from umsrep.stages import bounds
from umsrep.stages.first_stage import Objective, learn
from umsrep.stages.network import new_representation
from umsrep.training import Schedule


@dataclass(frozen=True)
class ConstructionSettings:
    """Settings of `construct`; the defaults are the paper's where it says.

    Attributes:
        task: The label task that the representation is constructed on.
        architecture: Registered name of the representation.
        arguments: {argument: value} of that class, beyond the image's shape;
            "channels" is 1 unless given.
        hidden_units: Of the dense layer after the average (256 is what the
            paper's count of parameters says, see
            `representations.DilatedCNN`).
        dropout, optimizer, epochs, batch_size: 0.5, "adam", 64 and 16 (UMS-Rep,
            Section 4.2.1). Training ends with the weights of the best
            validation epoch.
        learning_rate: Keras's default; the paper gives none.
        patience: Epochs without a better validation loss before the rate
            falls; None keeps it.
        stop_patience: The same, before training stops; None never does.
        fractions: (train, validation, test) by patient. Train and validation
            construct the representation (70 % in the paper); the others stay
            for target tasks. A test set that the data set has is among these,
            besides the share asked for.
        seed: Of weights, split and order.
        split_seed: Of the split, where repeated constructions share one; None
            is `seed`.
        precision: "auto", "float32", "bfloat16" or "float16".
        xla: Compile with XLA; None is where it helps.
        distribution: "none", "mirrored" or "multi_worker": over which devices
            batches are divided, as of `distribution.use`.
    """

    task: str = ""
    architecture: str = "dilated_cnn"
    arguments: dict = field(default_factory=dict)
    hidden_units: int = 256
    dropout: float = 0.5
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    epochs: int = 64
    batch_size: int = 16
    patience: int | None = None
    stop_patience: int | None = None
    fractions: tuple = (0.6, 0.1, 0.3)
    seed: int = 0
    split_seed: int | None = None
    precision: str = "auto"
    xla: bool | None = None
    distribution: str = "none"

    def __post_init__(self):
        bounds.check(self)


def construct(data, out, settings, resume=False, progress=True):
    """Learns a representation on the classes of one task.

    `finetune` on the same data then leaves out the patients of this run's
    train and validation images, for the representation knows their labels.

    Args:
        data: Prepared folders that have the task, or `data.Dataset`s
            loaded from them; images without its label are not learnt from.
        out: The run folder, of the kind "pretrain".
        settings: `ConstructionSettings`.
        resume: Go on in an existing run folder.
        progress: Show a progress bar.

    Returns:
        {metric: value} on the test images, as of `table_metrics.task_metrics`
        (accuracy, f_score, mcc, ...), with the numbers of images and patients.
    """
    return learn(Classification(settings), data, out, resume, progress)


class Classification(Objective):
    """The class of an image by categorical cross-entropy.

    Args:
        settings: `ConstructionSettings`.
    """

    def __init__(self, settings):
        self.settings = settings
        self.task = settings.task

    def check(self, data):
        if not data.task(self.task).classes:
            raise UmsrepError(
                f"Task '{self.task}' of '{data.name}' is a "
                f"{data.task(self.task).kind} task. A representation is "
                "constructed on the classes of a label task, or without "
                "--task by denoising."
            )

    def split(self, data):
        settings = self.settings
        own = settings.split_seed is None
        return data.split(
            fractions=settings.fractions,
            seed=settings.seed if own else settings.split_seed,
            extend_test=True,
        )

    def spec(self, data):
        spec = data.task(self.task)
        return spec.to_json()

    def new_model(self, data):
        settings = self.settings
        representation = new_representation(
            data.image_size, settings.architecture, settings.arguments
        )
        head = heads.ClassificationHead(
            len(data.task(self.task).classes),
            self.task,
            features="bottleneck",
            hidden_units=settings.hidden_units,
            dropout=settings.dropout,
        )
        return MultiTaskModel(representation, [head], name="classifier")

    def train(self, model, training, validation, checkpoint, progress):
        settings = self.settings
        schedule = Schedule(
            settings.learning_rate,
            decay="plateau" if settings.patience else "constant",
            patience=settings.patience or 1,
            stop_patience=settings.stop_patience,
        )
        history = finetuning.Joint(
            optimizer=settings.optimizer, schedule=schedule, xla=settings.xla
        ).fit(
            model,
            training,
            validation,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            seed=settings.seed,
            checkpoint=checkpoint,
            progress=progress,
        )
        (group,) = history.groups
        return history.table, group

    def measure(self, model, test, folder):
        spec = test.task(self.task)
        outputs = predict.probabilities(model, test)
        table = predict.table(outputs, test, [spec], {})
        return table_metrics.all_metrics(table, [spec], bootstrap=0)[self.task]
