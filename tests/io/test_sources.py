from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from rendering import HEIGHT, WIDTH, Render

from siamtrack.errors import SourceError, UsageError
from siamtrack.io.sources import open_source


class TestErrors:
    """One line each, with what is wrong and the remedy."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((-1, None), "start -1 is negative"),
            ((5, 5), "end 5 is not after start 5"),
            ((5, 2), "end 2 is not after start 5"),
        ],
    )
    def test_impossible_ranges(self, folder: Path, arguments: tuple[int, int | None], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            open_source(folder, *arguments)

    @staticmethod
    def refusal(source: str | Path) -> str:
        with pytest.raises(SourceError) as caught:
            open_source(source)
        assert "\n" not in str(caught.value)
        assert str(source) in str(caught.value)
        return str(caught.value)

    def test_missing_path(self, tmp_path: Path) -> None:
        assert "does not exist: give a video file" in self.refusal(tmp_path / "nothing.mp4")

    def test_folder_without_images(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").touch()
        assert "no images (jpg jpeg png bmp webp tif tiff)" in self.refusal(tmp_path)

    def test_glob_without_match(self, tmp_path: Path) -> None:
        assert "matches nothing" in self.refusal(f"{tmp_path}/*.jpg")

    def test_glob_that_matches_no_image(self, render: Render) -> None:
        assert "matches no image" in self.refusal(f"{render().parent}/*.mp4")

    @pytest.mark.parametrize("content", [b"", b"1,2,3,4\n" * 50, bytes(5000)])
    def test_no_video_in_an_mp4_file(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "boxes.mp4"
        path.write_bytes(content)
        assert "it is not a video" in self.refusal(path)

    def test_text_file(self, tmp_path: Path) -> None:
        path = tmp_path / "boxes.txt"
        path.write_text("1,2,3,4\n" * 50)
        assert "not a video" in self.refusal(path)

    def test_images_that_cannot_be_decoded(self, tmp_path: Path) -> None:
        for name in ("1.png", "2.png"):
            (tmp_path / name).write_bytes(b"no image")
        assert "no readable image" in self.refusal(tmp_path)

    def test_sound_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "sound.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(bytes(16000))
        assert "no video in it (only audio)" in self.refusal(path)

    @pytest.mark.parametrize("name", ["empty.mp4", "empty.mkv", "empty.avi"])
    def test_video_without_frames(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            container.start_encoding()
        assert path.stat().st_size > 100
        self.refusal(path)

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions stop")
    def test_no_permission(self, render: Render) -> None:
        path = render()
        path.chmod(0)
        assert "Permission denied; check the path" in self.refusal(path)

    @pytest.mark.parametrize("method", ["open", "iterdir"])
    def test_no_permission_simulated(self, render: Render, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        path = render()

        def refuse(self: Path, *arguments: object) -> Iterator[Path]:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, method, refuse)
        assert "Permission denied; check the path" in self.refusal(path if method == "open" else path.parent)
