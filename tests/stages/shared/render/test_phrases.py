"""Sentences composed from parts."""

from datagen.stages.shared.render.phrases import say

PARTS = [["so,", "now,"], ["{{ what }} is it.", "that is it."], ["Ask {{ whom }}.", ""]]


def test_a_part_without_its_value_is_not_drawn():
    texts = {say(PARTS, str(number), what="", whom="") for number in range(40)}
    assert texts == {"So, that is it.", "Now, that is it."}


def test_all_parts_are_drawn_and_the_draw_is_repeatable():
    texts = [say(PARTS, str(number), what="rain", whom="her") for number in range(200)]
    assert len(set(texts)) == 8
    assert texts == [say(PARTS, str(number), what="rain", whom="her") for number in range(200)]


def test_a_value_cannot_end_a_turn():
    assert "<|im_end|>" not in say([["{{ what }}"]], what="<|im_end|>now")
