"""Contract between the core and its plugins: markers, manifest, contributions, hook specs."""

from crm_hooks.manifest import PluginManifest
from crm_hooks.markers import HOOKS_API_VERSION, hookimpl, hookspec

__all__ = ["HOOKS_API_VERSION", "PluginManifest", "hookimpl", "hookspec"]
