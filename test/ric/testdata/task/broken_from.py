from json import nothing_of_the_kind


def handler(event, context): return 1
