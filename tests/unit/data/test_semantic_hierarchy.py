"""The tree of items."""

import numpy as np

from stagewise.data.semantic_hierarchy import ITEMS, modes, tree, unstructured


def test_singular_values_of_the_tree() -> None:
    values = np.linalg.svd(tree())[1]
    assert np.allclose(values**2, [15, 7, 3, 3, 1, 1, 1, 1])


def test_modes_are_its_right_singular_vectors() -> None:
    right = modes()
    assert np.allclose(right.T @ right, np.eye(8))
    assert np.allclose(np.linalg.norm(tree() @ right, axis=0) ** 2, [15, 7, 3, 3, 1, 1, 1, 1])


def test_items_share_the_nodes_above_them() -> None:
    shared = tree().T @ tree()
    dog = [shared[0, ITEMS.index(item)] for item in ("dog", "cat", "sparrow", "oak")]
    assert dog == [4, 3, 2, 1]


def test_unstructured_has_the_same_singular_values() -> None:
    assert np.allclose(np.linalg.svd(unstructured(3))[1], np.linalg.svd(tree())[1])
    assert not np.allclose(unstructured(3), unstructured(4))
