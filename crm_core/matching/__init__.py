"""Which records mean the same customer, by what they say; knows no database and no ERP.

``features_of`` makes a record comparable, ``compare`` judges two of them, ``candidates`` finds the
pairs worth judging among many, ``match`` pairs two sides one to one.
"""

from crm_core.matching.assign import Matching, match
from crm_core.matching.candidates import LeftOut, candidates, candidates_within
from crm_core.matching.compare import LIKELY, SURE, UNSURE, VERDICTS, Pair, compare, verdict
from crm_core.matching.features import Features, features_of

__all__ = [
    "LIKELY",
    "SURE",
    "UNSURE",
    "VERDICTS",
    "Features",
    "LeftOut",
    "Matching",
    "Pair",
    "candidates",
    "candidates_within",
    "compare",
    "features_of",
    "match",
    "verdict",
]
