"""An independent identity provider. The test plays the browser: this is told on standard input with which query one
came, and prints what it would post back; or, as an object, what is to be done about logging out."""
import json
import sys
import tempfile
from urllib.parse import parse_qs

from saml2 import BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server

options = json.loads(sys.argv[1])


def kept(text):
    file = tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False)
    file.write(text)
    file.close()
    return file.name


config = IdPConfig().load(
    {
        "entityid": options["entity_id"],
        "xmlsec_binary": "/usr/bin/xmlsec1",
        "key_file": kept(options["key"]),
        "cert_file": kept(options["certificate"]),
        "metadata": {"inline": [options["metadata"]]},
        "service": {
            "idp": {
                "want_authn_requests_signed": True,
                "endpoints": {
                    "single_sign_on_service": [(options["sso_url"], BINDING_HTTP_REDIRECT)],
                    "single_logout_service": [(options["logout_url"], BINDING_HTTP_REDIRECT)],
                },
                "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None}},
            }
        },
    }
)
server = Server(config=config)


def answer(query):
    query = {name: values[0] for name, values in parse_qs(query).items()}
    request = server.parse_authn_request(
        query["SAMLRequest"],
        BINDING_HTTP_REDIRECT,
        relay_state=query.get("RelayState"),
        sigalg=query.get("SigAlg"),
        signature=query.get("Signature"),
    )
    message = request.message
    return {
        "signed": "Signature" in query,
        "consumer": message.assertion_consumer_service_url,
        "xml": str(
            server.create_authn_response(
                {"mobile": [options["mobile"]]},
                in_response_to=message.id,
                destination=message.assertion_consumer_service_url,
                sp_entity_id=message.issuer.text,
                name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=options["subject"]),
                authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": options["entity_id"]},
                sign_response=options["sign_response"],
                sign_assertion=True,
                sign_alg="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                digest_alg="http://www.w3.org/2001/04/xmlenc#sha256",
            )
        ),
    }


SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


def redirect(message, destination, response):
    sent = server.apply_binding(
        BINDING_HTTP_REDIRECT, str(message), destination, "", response=response, sign=True, sigalg=SHA256
    )
    return dict(sent["headers"])["Location"]


def is_asked(query):
    """Checks a LogoutRequest and answers it."""
    query = {name: values[0] for name, values in parse_qs(query).items()}
    request = server.parse_logout_request(
        query["SAMLRequest"],
        BINDING_HTTP_REDIRECT,
        relay_state=query.get("RelayState"),
        sigalg=query.get("SigAlg"),
        signature=query.get("Signature"),
    )
    message = request.message
    arguments = server.response_args(message, [BINDING_HTTP_REDIRECT])
    answer = server.create_logout_response(message, [BINDING_HTTP_REDIRECT], sign=False)
    return {
        "signed": "Signature" in query,
        "name": message.name_id.text,
        "indexes": [index.text for index in message.session_index],
        "address": redirect(answer, arguments["destination"], True),
    }


def asks(name, indexes, destination):
    """Signs somebody out here, and so there."""
    _, message = server.create_logout_request(
        destination,
        options["service_provider"],
        name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=name),
        session_indexes=indexes,
        sign=False,
    )
    return {"address": redirect(message, destination, False)}


def is_answered(query):
    query = {name: values[0] for name, values in parse_qs(query).items()}
    response = server.parse_logout_request_response(query["SAMLResponse"], BINDING_HTTP_REDIRECT)
    return {"status": response.response.status.status_code.value}


def did(line):
    if not line.startswith("{"):
        return answer(line)
    wish = json.loads(line)
    if "asked" in wish:
        return is_asked(wish["asked"])
    if "answered" in wish:
        return is_answered(wish["answered"])
    return asks(**wish["asks"])


for line in sys.stdin:
    try:
        said = did(line.strip())
    except Exception as error:  # whatever it is, the test wants to read it
        said = {"error": repr(error)}
    print(json.dumps(said), flush=True)
