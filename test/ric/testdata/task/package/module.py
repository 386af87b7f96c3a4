from . import helper


def handler(event, context):
    return [__name__, __package__, helper.VALUE]
