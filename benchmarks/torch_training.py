"""The contestants of (a) in PyTorch: the same networks, as an expert runs them.

Channels-last tensors, bfloat16 autocast where the processor has it, and
optionally `torch.compile`.
"""

import torch
from torch import nn
from torch.nn import functional

from benchmarks.keras_training import BATCH, DEPTH, FILTERS, WIDTH, arrays


def block(inputs, filters, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, filters, 3, stride=stride, padding=1),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
    )


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        counts = (1, *FILTERS)
        self.down = nn.ModuleList(
            block(a, b, 2) for a, b in zip(counts, FILTERS, strict=False)
        )
        finer = [FILTERS[max(i - 1, 0)] for i in range(len(FILTERS))]
        self.up = nn.ModuleList(
            block(a, b) for a, b in zip(FILTERS, finer, strict=True)
        )
        self.last = nn.Conv2d(FILTERS[0], 1, 3, padding=1)

    def forward(self, x):
        stages = []
        for layer in self.down:
            x = layer(x)
            stages.append(x)
        for index in range(len(FILTERS) - 1, -1, -1):
            x = functional.interpolate(self.up[index](x), scale_factor=2.0)
            if index:
                x = x + stages[index - 1]
        return self.last(x)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [WIDTH * 2**level for level in range(DEPTH)]
        self.down = nn.ModuleList(
            nn.Sequential(block(a, b), block(b, b))
            for a, b in zip([1, *widths], widths, strict=False)
        )
        pairs = list(zip(widths[1:], widths, strict=False))
        self.up = nn.ModuleList(block(b, a) for b, a in pairs)
        self.join = nn.ModuleList(
            nn.Sequential(block(2 * a, a), block(a, a)) for _, a in pairs
        )
        self.last = nn.Conv2d(WIDTH, 1, 3, padding=1)

    def forward(self, x):
        skips = []
        for level, layer in enumerate(self.down):
            if level:
                x = functional.max_pool2d(x, 2)
            x = layer(x)
            skips.append(x)
        for level in range(DEPTH - 2, -1, -1):
            x = self.up[level](functional.interpolate(x, scale_factor=2.0))
            x = self.join[level](torch.cat([skips[level], x], 1))
        return self.last(x)


class Torch:
    """A training loop in PyTorch.

    Args:
        network, batches, side: As of `keras_training.arrays`.
        bfloat16: Autocast to bfloat16.
        compile: `torch.compile` the network.
    """

    def __init__(
        self, network, batches, side=None, bfloat16=True, compile=False
    ):
        torch.manual_seed(0)
        x, y = arrays(network, batches, side=side)
        self.network = network
        self.images = self._tensor(x) / 255
        self.targets = self._tensor(y)
        self.bfloat16 = bfloat16
        model = Autoencoder() if network == "cdae" else UNet()
        self.plain = model.to(memory_format=torch.channels_last)
        self.model = torch.compile(self.plain) if compile else self.plain
        parameters = self.plain.parameters()
        self.optimizer = (
            torch.optim.RMSprop(parameters, 1e-3)
            if network == "cdae"
            else torch.optim.Adam(parameters, 1e-3)
        )
        self.run()

    @staticmethod
    def _tensor(array):
        tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
        return tensor.contiguous(memory_format=torch.channels_last)

    def parameters(self):
        return sum(p.numel() for p in self.plain.parameters())

    def run(self):
        """One epoch."""
        self.model.train()
        total = 0.0
        for start in range(0, len(self.images), BATCH):
            x = self.images[start : start + BATCH]
            y = self.targets[start : start + BATCH]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                output = self.model(x)
            if self.network == "cdae":
                loss = functional.mse_loss(output.float(), y)
            else:
                loss = functional.binary_cross_entropy_with_logits(
                    output.float(), y
                )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total
