"""The picture of a difference: where it is, how large, and that nothing wanted can be read off it."""

import pytest
import torch

from grader import difference
from grader.compare import Mismatch, same


def picture(found: torch.Tensor, wanted: torch.Tensor) -> difference.Difference:
    with pytest.raises(Mismatch) as caught:
        same(found, wanted, "The output")
    assert caught.value.difference is not None
    return caught.value.difference


def test_the_plane_with_the_largest_difference_is_drawn() -> None:
    wanted = torch.zeros(2, 3, 2, 4)
    found = wanted.clone()
    found[0, 0] += 0.1
    found[1, 2, 0, 3], found[1, 2, 1, 1] = 2.0, -0.5
    shown = picture(found, wanted)
    assert (shown.index, shown.largest) == ((1, 2, 0, 3), 2.0)
    assert shown.tenths == ("0009", "0300")


def test_a_small_difference_beside_a_large_one_is_still_seen() -> None:
    assert picture(torch.tensor([[0.01, 100.0, 0.0]]), torch.zeros(1, 3)).tenths == ("190",)


def test_a_large_plane_is_drawn_in_cells_that_show_their_worst_element() -> None:
    found = torch.zeros(1, 49, 60)
    found[0, 48, 59] = 1.0
    shown = picture(found, torch.zeros(1, 49, 60))
    assert shown.cell == (3, 3)
    assert [len(shown.tenths), len(shown.tenths[0]), "".join(shown.tenths).rindex("9")] == [17, 20, 339]


def test_what_is_no_number_has_no_size() -> None:
    shown = picture(torch.tensor([[torch.nan, 3.0]]), torch.zeros(1, 2))
    assert (shown.largest, shown.tenths) == (None, ("90",))


@pytest.mark.parametrize("shape", [(), (5,), (2, 30)])
def test_numbers_rows_and_tables_are_drawn_too(shape: tuple[int, ...]) -> None:
    shown = picture(torch.ones(shape), torch.zeros(shape))
    assert set("".join(shown.tenths)) == {"9"}
    assert len(shown.index) == len(shape)


def test_other_shapes_are_told_and_not_compared() -> None:
    shown = picture(torch.zeros(2, 3), torch.ones(2, 4))
    assert (shown.found_shape, shown.wanted_shape, shown.tenths, shown.largest) == ((2, 3), (2, 4), (), None)


def test_the_same_differences_give_the_same_picture_whatever_was_wanted() -> None:
    gap = torch.tensor([[0.0, 1.0], [0.5, 0.0]])
    assert picture(gap, torch.zeros(2, 2)) == picture(gap + 64, torch.full((2, 2), 64.0))
