"""Make a data set: python -m tools.data NAME (one of DATA_SETS)."""

import argparse
import importlib

from tools.data import card, listen, table

DATA_SETS = ("english_read", "spanish_audiobook", "french_medical", "french_everyday")
DATA_SETS += ("banking_calls", "turkish_sentences")


def main():
    """Read the texts aloud, write the parquet, let Whisper base listen, write the card."""
    parser = argparse.ArgumentParser(prog="python -m tools.data", description=__doc__)
    parser.add_argument("dataset", choices=DATA_SETS)
    dataset = importlib.import_module(f"tools.data.{parser.parse_args().dataset}")
    folder = table.ASSETS / dataset.NAME

    rows, features = dataset.build()
    splits = dict.fromkeys(row.get("split", "data") for row in rows)
    paths = [
        table.write(
            [row for row in rows if row.get("split", "data") == split],
            features,
            folder,
            dataset.ROW_GROUP,
            split,
        )
        for split in splits
    ]
    audio = [row["audio"]["bytes"] for row in rows]
    # Of a data set in splits the test split is listened to.
    judged = [place for place, row in enumerate(rows) if row.get("split", "test") == "test"]
    targets = [dataset.transcript(rows[place][dataset.TEXT_COLUMN]) for place in judged]
    clips = [audio[place] for place in judged]
    heard = [dataset.transcript(text) for text in listen.transcribe(clips, dataset.LANGUAGE)]
    rate, errors_by_clip = listen.error_rates(targets, heard)
    each = dict(zip(judged, errors_by_clip, strict=True))
    for place, target, text, errors in zip(judged, targets, heard, errors_by_clip, strict=True):
        row = rows[place]
        if errors:
            print(f"{row['id']}  {errors:.0f} %\n  text:  {target}\n  heard: {text}")
    levels = listen.levels(audio)
    facts = card.facts(paths, levels, rate, each, dataset.rows())
    table.write_text(folder / "README.md", dataset.card(facts))
    print(
        f"{folder}: {facts['clips']} clips, {facts['minutes']} minutes, {facts['size']}, WER {facts['wer']} %"
    )
    print(f"peak {levels[:, 0].max():.2f}, RMS {levels[:, 1].min():.1f} to {levels[:, 1].max():.1f} dB")


if __name__ == "__main__":
    main()
