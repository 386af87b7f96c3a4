"""What the official translator makes of SAM templates.

usage: oracle.py FOLDER REGION,... [PARAMETER=VALUE...]; prints a line of JSON for each
template of the folder and region: {"name", "region", "template" (its JSON text), and
"output" or "error"}.
"error" is the whole message; "crash" is set where the translator ends with an
exception that it does not handle. Files whose names begin with "feature_toggle_" are
transformed with all optional behaviours.
"""

import functools
import json
import logging
import os
import sys

os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_EC2_METADATA_DISABLED="true")

import boto3  # noqa: E402
from samtranslator.model import apigateway  # noqa: E402
from samtranslator.model.exceptions import InvalidDocumentException, InvalidResourceException  # noqa: E402
from samtranslator.plugins.application.serverless_app_plugin import ServerlessAppPlugin  # noqa: E402
from samtranslator.translator import arn_generator  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

# Names of applications that the repository does not give.
REFUSED = ("no-access", "non-existent", "invalid-semver")


def repository(self, call, logical_id, *args):
    """Answers as the Serverless Application Repository."""
    if args[0] in REFUSED:
        raise InvalidResourceException(logical_id, f"Cannot access application: {args[0]}.")
    return {"ApplicationId": args[0], "Status": "ACTIVE", "TemplateId": "id", "TemplateUrl": "https://repository.example/" + str(args[0])}


class Policies:
    """Has the policies that AWS does not have."""

    def load(self):
        return {"MyOwnPolicy": "arn:aws:iam::123456789012:policy/MyOwnPolicy"}


class Clock:
    """Stands still."""

    @staticmethod
    def time():
        return 1700000000.5


class Features:
    """Optional behaviours that are all on."""

    def is_enabled(self, name):
        return True


def sort_key(cause):
    for name in ("_logical_id", "_event_id"):
        if hasattr(cause, name):
            return getattr(cause, name)
    return cause.message


def run(template, name, parameters):
    try:
        features = Features() if name.startswith("feature_toggle_") else None
        return {"output": transform(template, dict(parameters), Policies(), features)}
    except InvalidDocumentException as e:
        return {"error": functools.reduce(lambda text, c: text + " " + c.message, sorted(e.causes, key=sort_key), e.message)}
    except Exception as e:  # noqa: BLE001
        return {"error": f"{type(e).__name__}: {e}", "crash": True}


def templates(folder):
    """The templates of a folder; a file may hold several."""
    for file in sorted(os.listdir(folder)):
        name, extension = os.path.splitext(file)
        if extension not in (".yaml", ".yml", ".json"):
            continue
        with open(os.path.join(folder, file), encoding="utf-8") as f:
            text = f.read()
        parts = [text] if text.startswith("%YAML") else text.split("\n---\n")
        for i, part in enumerate(parts):
            try:
                yield name if len(parts) == 1 else f"{name}#{i + 1}", json.dumps(yaml_parse(part))
            except TypeError as e:
                print(f"{name}#{i + 1} is no JSON: {e}", file=sys.stderr)


def main():
    logging.disable()
    apigateway.time = Clock
    ServerlessAppPlugin._sar_service_call = repository
    parameters = dict(pair.split("=", 1) for pair in sys.argv[3:])
    for region in sys.argv[2].split(","):
        os.environ["AWS_DEFAULT_REGION"] = region
        arn_generator._get_region_from_session = lambda region=region: region
        boto3.setup_default_session(region_name=region)
        for name, text in templates(sys.argv[1]):
            print(json.dumps({"name": name, "region": region, "template": text, **run(json.loads(text), name, parameters)}))


main()
