"""Property tests have no deadline: a busy machine is not a bug."""

from hypothesis import settings

settings.register_profile("nas_controller", deadline=None)
settings.load_profile("nas_controller")
