"""The figures of the forecast: each with its one definition, as documents and pages tell it."""

from __future__ import annotations

from typing import NamedTuple

from crm_core.messages import t


class Figure(NamedTuple):
    """One figure.

    Attributes:
        code: Its name in data.
        title: What people read.
        unit: ``money``, ``count``, ``share``, ``ratio`` or ``days``.
        query: The function of ``statements`` that reads it; blank where it follows from others.
        definition: What it says, in a sentence or two.
    """

    code: str
    title: str
    unit: str
    query: str
    definition: str


FIGURES: tuple[Figure, ...] = (
    Figure(
        "won_amount",
        t("Won"),
        "money",
        "closed_deals",
        t("Expected amounts of the deals that were won in the period, by the moment of closing."),
    ),
    Figure(
        "committed_amount",
        t("Committed"),
        "money",
        "open_deals",
        t(
            "What is won, and the whole amounts of open deals that are expected to close in the "
            "period and for which their owner stands."
        ),
    ),
    Figure(
        "weighted_amount",
        t("Weighted"),
        "money",
        "open_deals",
        t(
            "What is won, and of each open deal that is expected to close in the period its amount "
            "times its probability."
        ),
    ),
    Figure(
        "best_amount",
        t("Best case"),
        "money",
        "open_deals",
        t("What is won, and the whole amounts of all open deals expected to close in the period."),
    ),
    Figure(
        "open_count",
        t("Open deals"),
        "count",
        "open_deals",
        t("Open deals that are expected to close in the period."),
    ),
    Figure(
        "target_amount",
        t("Target"),
        "money",
        "targets_within",
        t(
            "What the person, the team or the company is to win in the period; of a quarter "
            "without a target of its own, the sum of its months. A total adds those of its rows."
        ),
    ),
    Figure(
        "missing_amount",
        t("Missing"),
        "money",
        "",
        t("What the target still lacks: the target less what is won, and never below zero."),
    ),
    Figure(
        "coverage",
        t("Coverage"),
        "ratio",
        "",
        t(
            "Whole amounts of open deals expected to close in the period, divided by what is "
            "missing; nothing where no target is set or it is reached."
        ),
    ),
    Figure(
        "win_rate",
        t("Win rate"),
        "share",
        "closed_deals",
        t("Of the deals that were closed in the period, the share that was won, by their number."),
    ),
    Figure(
        "cycle_days",
        t("Cycle time"),
        "days",
        "closed_deals",
        t("Mean days from the day a deal was added to its winning, of deals won in the period."),
    ),
    Figure(
        "slipped_count",
        t("Slipped deals"),
        "count",
        "slipped_deals",
        t(
            "Deals that were once expected to close in the period, but now are expected only after "
            "it or on no day, or were closed after it."
        ),
    ),
    Figure(
        "slipped_amount",
        t("Slipped"),
        "money",
        "slipped_deals",
        t("Expected amounts, as they are now, of the deals that slipped out of the period."),
    ),
)
STAGE_FIGURES: tuple[Figure, ...] = (
    Figure(
        "further",
        t("Conversion"),
        "share",
        "stage_moves",
        t(
            "Of the moves of open deals out of the stage in the period, the share that went to a "
            "stage further on or was won."
        ),
    ),
    Figure(
        "days",
        t("Days in the stage"),
        "days",
        "stage_moves",
        t("Mean days that deals had stood in the stage when they left it in the period."),
    ),
    Figure(
        "stage_amount",
        t("In the stage"),
        "money",
        "stage_stock",
        t("Expected amounts of the deals that are open in the stage now."),
    ),
)


def figure_of(code: str) -> Figure:
    """Return the figure of a name."""
    return next(each for each in (*FIGURES, *STAGE_FIGURES) if each.code == code)
