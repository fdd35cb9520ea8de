"""How large the models of each testbed are, told from their settings alone.

Building a testbed takes data and seconds, and this is asked of every job that is planned. A test
holds these sizes against the testbeds themselves, for every variant of config.yaml.
"""

from collections.abc import Callable, Mapping

from stagewise.planning import small_models, transformers
from stagewise.planning.sizes import Model, Network

TESTBEDS: dict[str, Callable[[Model, Mapping[str, int]], Network | None]] = {
    "bilinear_language": small_models.bilinear_language,
    "bilingual": transformers.bilingual,
    "class_tree": small_models.class_tree,
    "deep_linear": small_models.deep_linear,
    "digits_mlp": small_models.digits_mlp,
    "gaussian": small_models.gaussian,
    "gpt_neox": transformers.gpt_neox,
    "huggingface": transformers.huggingface,
    "in_context_regression": transformers.in_context_regression,
    "linear_regression": small_models.linear_regression,
    "modular_arithmetic": small_models.modular_arithmetic,
    "polynomial": small_models.polynomial,
    "relu_rescaling": small_models.relu_rescaling,
    "scalar_product": small_models.scalar_product,
    "semantic_hierarchy": small_models.semantic_hierarchy,
    "superposition": small_models.superposition,
    "synthetic_language": transformers.synthetic_language,
    "text": transformers.text,
}


def network(testbed: str, model: Model, vocabularies: Mapping[str, int]) -> Network | None:
    """The sizes; None where settings do not tell them: a testbed of the user's own, a model whose
    name does not say its size. Settings that the testbed will refuse raise whatever they raise.

    vocabularies  corpus -> tokens
    """
    find = TESTBEDS.get(testbed)
    found = None if find is None else find(model, vocabularies)
    if found is not None:
        counts = [found.parameters, found.operations, found.samples, found.reported or 0]
        counts += [found.points, found.entries, found.ablated, *found.observables.values()]
        # checked here, before a list is multiplied by a million
        if not all(isinstance(count, int | float) and count >= 0 for count in counts):
            raise ValueError(f"{testbed}: sizes that cannot be, among {counts}")
    return found
