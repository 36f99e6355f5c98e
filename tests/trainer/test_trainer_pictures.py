"""Pictures as files of an attempt."""

import json
import math

import pytest

from tests.trainer.sessions import RecordingSession
from trainer.pictures import ALBUM, MAX_BOXES, MAX_PICTURES, Picture, PictureBox, keep_pictures
from trainer.session import LoneSession


def box(label: int, score: float | None = None, x: float = 1.26) -> PictureBox:
    return PictureBox(x=x, y=2.0, width=3.0, height=4.5, label=label, score=score)


def picture(name: str, *found: PictureBox) -> Picture:
    return Picture(
        name=name,
        content=name.encode(),
        media_type="image/jpeg",
        width=8,
        height=6,
        truth=(box(1),),
        found=found,
    )


def test_an_album_says_what_is_on_each_picture() -> None:
    session = RecordingSession()
    keep_pictures(session, [picture("one", box(0, 0.25), box(1, 0.75)), picture("two")], ["cat", "dog"], 0.05)
    assert list(session.files) == ["picture-1.jpg", "picture-2.jpg", ALBUM]
    assert session.files["picture-2.jpg"] == ("image/jpeg", b"two")
    media_type, content = session.files[ALBUM]
    album = json.loads(content)
    assert media_type == "application/json"
    assert (album["classes"], album["min_score"]) == (["cat", "dog"], 0.05)
    first, second = album["pictures"]
    assert (first["name"], first["width"], first["height"]) == ("one", 8, 6)
    assert first["truth"] == [{"box": [1.3, 2.0, 3.0, 4.5], "label": 1}]
    assert [(each["label"], each["score"]) for each in first["found"]] == [(1, 0.75), (0, 0.25)]
    assert second["found"] == []


def test_the_best_boxes_of_many_are_kept() -> None:
    session = RecordingSession()
    many = [box(0, score=number / 1000) for number in range(MAX_BOXES + 50)]
    keep_pictures(session, [picture("crowd", *many)], ["cat", "dog"])
    found = json.loads(session.files[ALBUM][1])["pictures"][0]["found"]
    assert [each["score"] for each in found] == [number / 1000 for number in range(MAX_BOXES + 49, 49, -1)]


def test_who_keeps_no_files_is_asked_once() -> None:
    keep_pictures(LoneSession(), [picture("one")] * 2, ["cat", "dog"])


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ValueError, match=r"image/svg\+xml: must be one of image/webp, image/jpeg"):
        Picture(name="x", content=b"", media_type="image/svg+xml", width=1, height=1, truth=(), found=())
    with pytest.raises(ValueError, match="label 1: there are 1 class names"):
        keep_pictures(RecordingSession(), [picture("one")], ["cat"])
    with pytest.raises(ValueError, match=f"at most {MAX_PICTURES}"):
        keep_pictures(RecordingSession(), [picture("one")] * (MAX_PICTURES + 1), ["cat", "dog"])
    with pytest.raises(ValueError, match="not JSON compliant"):
        keep_pictures(RecordingSession(), [picture("one", box(0, math.nan))], ["cat", "dog"])
