"""One's own account: signing in and out, and what belongs to nobody else."""

from crm_web.pages.account import own, second_factor, signing_in, tokens
from crm_web.pages.account.area import pages

__all__ = ["own", "pages", "second_factor", "signing_in", "tokens"]
