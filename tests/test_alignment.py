import pytest

from helpers.alignment import Edit, align


def differences(*sides):
    return [edit for edit in align(*sides) if edit.kind != "equal"]


def test_equal_substitute_insert_delete():
    assert align("the roast is cold", "the rose very cold soup") == [
        Edit("equal", "the", "the"),
        Edit("substitute", "roast", "rose"),
        Edit("substitute", "is", "very"),
        Edit("equal", "cold", "cold"),
        Edit("insert", "", "soup"),
    ]
    assert differences("a b c", "a c") == [Edit("delete", "b", "")]


def test_adjacent_substitutions_are_one_pair_a_word():
    assert align("a b c", "x y z") == [
        Edit("substitute", "a", "x"),
        Edit("substitute", "b", "y"),
        Edit("substitute", "c", "z"),
    ]


@pytest.mark.parametrize("unit", ["word", "char"])
@pytest.mark.parametrize(
    ("target", "prediction"),
    [("mister quilter", "mr quilter is"), ("ışık", "isik"), ("", "one two"), ("one two", ""), ("", "")],
)
def test_edits_rebuild_both_sides(target, prediction, unit):
    edits = align(target, prediction, unit)
    glue = " " if unit == "word" else ""
    assert glue.join(edit.target for edit in edits if edit.kind != "insert") == target
    assert glue.join(edit.prediction for edit in edits if edit.kind != "delete") == prediction
    assert all((edit.kind == "equal") == (edit.target == edit.prediction) for edit in edits)


def test_as_many_edits_as_jiwer_counts():
    import jiwer

    target, prediction = "on s'est vus à l'hôpital hier matin", "on sait vu a hôpital hier le matin"
    counted = jiwer.process_words(target, prediction)
    wanted = counted.substitutions + counted.insertions + counted.deletions
    assert len(differences(target, prediction)) == wanted


def test_characters():
    assert differences("SIMILES", "SIMALYIS", "char")[0] == Edit("substitute", "I", "A")


def test_words_of_a_list_are_taken_as_they_are():
    assert align(["New York", "is"], ["New York", "was"]) == [
        Edit("equal", "New York", "New York"),
        Edit("substitute", "is", "was"),
    ]


@pytest.mark.parametrize("bad", [None, 3, b"words", {"text": "a"}, ["a", None], [["a"]]])
def test_refuses_what_is_not_text(bad):
    with pytest.raises(TypeError, match="pass one string, or a list of words"):
        align(bad, "a")
    with pytest.raises(TypeError, match="The prediction is"):
        align("a", bad)


def test_refuses_an_unknown_unit():
    with pytest.raises(ValueError, match=r"'phoneme'.*'word' or 'char'"):
        align("a", "a", "phoneme")
