"""Counts the words of a text and returns the most frequent ones."""

import logging
import os
import re
from collections import Counter

logger = logging.getLogger()
logger.setLevel(os.environ.get("LOG_LEVEL", "INFO"))


def handler(event, context):
    words = re.findall(r"[a-z']+", event["text"].lower())
    logger.info("counting %d words", len(words))
    top = int(os.environ.get("TOP", "3"))
    return {"words": len(words), "top": Counter(words).most_common(top)}
