import logging


def deep():
    raise ValueError("at import\n  second line")


print("printed at import")
logging.getLogger("init").error("logged at import")
deep()
