import torch

from stagewise.models import mlp
from stagewise.seeds import generator


def _torch_network(weights):
    layers = []
    for number in (1, 2, 3):
        weight = weights[f"layer{number}.weight"]
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": weight, "bias": weights[f"layer{number}.bias"]})
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def test_agrees_with_torch_modules():
    weights = mlp.initial([7, 5, 6, 4], stream=generator(0, "weights"))
    inputs = torch.randn(11, 7, generator=generator(0, "inputs"))
    labels = torch.randint(4, (11,), generator=generator(0, "labels"))
    network = _torch_network(weights)
    torch.testing.assert_close(mlp.logits(weights, inputs), network(inputs))
    wanted = torch.nn.functional.cross_entropy(network(inputs), labels, reduction="none")
    torch.testing.assert_close(mlp.cross_entropies(weights, inputs, labels), wanted)
    right = (network(inputs).argmax(1) == labels).double().mean()
    assert mlp.accuracy(weights, inputs, labels) == right
    flat = torch.nn.utils.parameters_to_vector(network.parameters())
    torch.testing.assert_close(mlp.norm(weights), flat.norm().detach())


def test_initial_weights_are_uniform_up_to_one_over_root_fan_in():
    weights = mlp.initial([400, 50, 10], stream=generator(0, "weights"))
    first = weights["layer1.weight"]
    assert first.abs().max() <= 1 / 20
    # Standard deviation of a uniform number on [-b, b] is b / sqrt(3); 20,000 of them.
    assert abs(float(first.std()) * 20 * 3**0.5 - 1) < 0.02
    assert weights["layer2.bias"].shape == (10,)
    assert weights["layer2.bias"].abs().max() <= 50**-0.5
