"""A private CA and one server certificate, made by the openssl command for one test run.

The extensions are spelled out, because clients differ in what they insist on: OpenSSL 3 wants
basicConstraints and keyUsage on the CA and the key identifiers that link the two, rustls wants a
subjectAltName and a leaf that is not itself a CA, and webpki looks at extendedKeyUsage.
"""

import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Without a configuration of our own, openssl adds the extensions of the system's file as well.
CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {subject}
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
subjectAltName = {names}
"""


@dataclass(frozen=True)
class Certificate:
    ca: Path
    chain: Path
    key: Path

    @classmethod
    def make(cls, directory: Path, names: tuple[str, ...] = ("localhost", "127.0.0.1")):
        """Makes ca.pem, server.pem and server.key in the directory; the CA's key is not kept."""
        directory.mkdir(parents=True, exist_ok=True)
        made = cls(directory / "ca.pem", directory / "server.pem", directory / "server.key")
        ca_key = directory / "ca.key"
        # Two authorities of one name and different keys would confuse a client that trusts both.
        authority = f"Registry test CA {secrets.token_hex(6)}"
        try:
            _request(directory, authority, names, "authority", made.ca, ca_key)
            _request(directory, names[0], names, "server", made.chain, made.key,
                     "-CA", str(made.ca), "-CAkey", str(ca_key))
        finally:
            ca_key.unlink(missing_ok=True)
        return made


def _request(directory: Path, subject: str, names: tuple[str, ...], extensions: str,
             certificate: Path, key: Path, *signer: str) -> None:
    configuration = directory / f"{extensions}.cnf"
    configuration.write_text(CONFIGURATION.format(
        subject=subject, names=", ".join(_alternative(n) for n in names)))
    subprocess.run(
        ["openssl", "req", "-x509", "-config", str(configuration), "-extensions", extensions,
         "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-sha256",
         "-days", "30", "-keyout", str(key), "-out", str(certificate), *signer],
        check=True, capture_output=True, text=True)


def _alternative(name: str) -> str:
    is_address = name.replace(".", "").isdigit() or ":" in name
    return f"{'IP' if is_address else 'DNS'}:{name}"
