"""Which coordinates are sampled: those that exist, of the component a chain is restricted to."""

import torch
from torch import Tensor

from stagewise.engine.flat import Shapes, flatten
from stagewise.engine.sampling import ALL
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points, Testbed


def restrictions(testbed: Testbed, points: Points, shapes: Shapes, components: list[str]) -> Tensor:
    """(checkpoint, component, d) True where a coordinate is sampled.

    Raises SettingsError for a component the testbed does not have, and ValueError for masks of
    the wrong shape or that leave nothing to sample.
    """
    exists = _exists(points, shapes)
    mask = exists[:, None] & _belongs(testbed, shapes, components, exists.device)
    empty = (~mask.any(2)).nonzero()
    if len(empty):
        at, component = empty[0].tolist()
        raise ValueError(
            f"components.{components[component]}: no coordinate of checkpoint {at} is left to "
            f"sample"
        )
    return mask


def _exists(points: Points, shapes: Shapes) -> Tensor:
    """(checkpoint, d) True where the coordinate exists in that checkpoint."""
    masks = {
        name: points.masks.get(name, torch.ones_like(tensor, dtype=torch.bool))
        for name, tensor in points.parameters.items()
    }
    for name, tensor in masks.items():
        if tensor.shape != points.parameters[name].shape:
            raise ValueError(
                f"masks.{name}: shape {tuple(tensor.shape)}, "
                f"expected {tuple(points.parameters[name].shape)}"
            )
    return flatten(masks, shapes)


def _belongs(
    testbed: Testbed, shapes: Shapes, components: list[str], device: torch.device
) -> Tensor:
    """(component, d) True where a coordinate belongs to the component."""
    rows = []
    for component in components:
        if component != ALL and component not in testbed.components:
            known = ", ".join([ALL, *testbed.components])
            raise SettingsError(
                f"components: {testbed.name} has no component {component!r}; it has {known}"
            )
        masks = testbed.components.get(component, {})
        for name, mask in masks.items():
            if name not in shapes or tuple(mask.shape) != shapes[name]:
                expected = shapes.get(name, "no such parameter")
                raise ValueError(
                    f"components.{component}.{name}: shape {tuple(mask.shape)}, expected {expected}"
                )
        rows.append(
            {
                name: masks.get(name, torch.full(shape, component == ALL, device=device))
                for name, shape in shapes.items()
            }
        )
    return flatten({name: torch.stack([row[name] for row in rows]) for name in shapes}, shapes)
