"""Our runtime in a process of its own, as the zygote's children run it."""

import sys

sys.path.insert(0, sys.argv[1])

from awslambdaric import bootstrap

bootstrap.preload()
bootstrap.run(3, 4)
