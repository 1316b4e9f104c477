"""Specific questions fit one passage, vague ones several."""

from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.similarity.inverted_index import Postings

LANGUAGE = language_of("en")
FERRY = "The ferry to Skarholm leaves at noon. If no ticket is shown, the crossing is refused."
TRAIN = "The train to Harwick leaves at dawn. If no ticket is shown, a fine is due."


def test_a_question_fits_the_passages_with_all_its_words():
    passages = Postings(dict.fromkeys([FERRY, TRAIN, FERRY], LANGUAGE))
    assert passages.fits_others("What happens if no ticket is shown?", FERRY) == 1
    assert passages.fits_others("When does the ferry leave?", FERRY) == 0
    assert passages.fits_others("When does the boat to Skarholm leave?", FERRY) == 0  # "boat" is in none
    assert passages.fits_others("What is it?", TRAIN) == 1
    assert Postings({FERRY: LANGUAGE}).fits_others("What is it?", FERRY) == 0


def test_the_share_of_a_text_is_that_of_its_best_passage():
    passages = Postings(dict.fromkeys([FERRY, TRAIN], LANGUAGE))
    assert passages.most_held("When does the ferry to Skarholm leave?", LANGUAGE) == 1
    assert passages.most_held("ferry, Harwick", LANGUAGE) == 0.5  # no passage holds both
    assert passages.most_held("Which volcano erupted?", LANGUAGE) == 0
    assert passages.most_held("What is it?", LANGUAGE) == 1  # without content words, it may be about anything
