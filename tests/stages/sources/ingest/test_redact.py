"""Personal data and secrets are replaced by rule; prose, statutes and documentation are unchanged."""

import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.sources import ingest
from datagen.stages.sources.ingest import Kind, Options
from datagen.stages.sources.ingest.redact import KINDS, LABELS, Redaction, detect
from tests.support.corpora import checked, ingested, only, write

PERSONAL = Path(__file__).parents[3] / "data" / "personal"
PLANTED = [
    line.split("\t")
    for line in (PERSONAL / "planted.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
DOCUMENTATION = Path(__file__).parents[4] / "docs" / "documents.md"
CLEAN = (PERSONAL / "clean.txt").read_text(encoding="utf-8").splitlines()
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC+/=\n-----END RSA PRIVATE KEY-----"


def findings(text):
    return [(finding.kind, text[finding.start : finding.end]) for finding in detect(text)]


@pytest.mark.slow
def test_a_list_of_many_addresses_takes_linear_time():
    """A table of contacts is one document."""
    text = " ".join(f"user{number}@lamps.org" for number in range(200_000))
    redaction = Redaction(KINDS)
    assert redaction.text(text).endswith("[EMAIL_199999] [EMAIL_200000]")
    assert redaction.counts == {"email": 200_000}


def test_recall_and_precision_on_the_planted_set():
    hits = {kind: [0, 0] for kind in KINDS}
    false = []
    for kind, value, text in PLANTED:
        hits[kind][1] += 1
        hits[kind][0] += (kind, value) in findings(text)
        false += [finding for finding in findings(text) if finding != (kind, value)]
    for text in CLEAN:
        false += findings(text)
    detected, planted = (sum(count[place] for count in hits.values()) for place in (0, 1))
    assert detected >= 0.9 * planted, hits
    assert all(detected >= 0.8 * planted for detected, planted in hits.values()), hits
    assert detected >= 0.95 * (detected + len(false)), false


def test_a_value_has_one_placeholder_in_title_text_and_metadata(tmp_path):
    record = {
        "title": "Mail to Ada@Lamps.com",
        "text": "From ada@lamps.com to bo@lamps.com, card 4111 1111 1111 1111 or 4111111111111111.",
        "from": "ada@lamps.com",
        "login": {"password": "gopher27", "user": "ada"},
        "card": 4111111111111111,
        "id": 7,
    }
    write(tmp_path, "a.jsonl", json.dumps(record))
    row = only(tmp_path, "a.jsonl")
    assert row["title"] == "Mail to [EMAIL_1]"
    assert row["text"] == "From [EMAIL_1] to [EMAIL_2], card [CARD_1] or [CARD_1]."
    assert json.loads(row["metadata"]) == {
        "from": "[EMAIL_1]",
        "login": {"password": "[SECRET_1]", "user": "ada"},
        "card": "[CARD_1]",
        "redacted": {"email": 4, "card": 3, "secret": 1},
    }


def test_a_name_that_is_personal_becomes_its_hash(tmp_path):
    write(tmp_path, "a.jsonl", '{"id": "ada@lamps.com", "text": "One."}\n{"id": "bo", "text": "Two."}')
    kept, dropped = ingested(tmp_path, "a.jsonl")
    assert not dropped and "a.jsonl#bo" in kept and len(kept) == 2
    assert "ada@" not in json.dumps(list(kept.values()))


def test_dropped_rows_show_no_redacted_values(tmp_path):
    write(tmp_path, "a.jsonl", '{"text": "Ask ada@lamps.com."}\n{"ada@lamps.com": 1}\n')
    _, dropped = ingested(tmp_path, "a.jsonl")
    assert len(dropped) == 1 and "ada@" not in json.dumps(dropped)


@pytest.mark.parametrize(
    ("redact", "text"),
    [
        (True, "[EMAIL_1], tel. [PHONE_1]"),
        (False, "ada@lamps.com, tel. +1 415 555 2671"),
        (["phone"], "ada@lamps.com, tel. [PHONE_1]"),
        ([], "ada@lamps.com, tel. +1 415 555 2671"),
    ],
)
def test_the_recipe_selects_the_kinds(tmp_path, redact, text):
    write(tmp_path, "a.txt", "ada@lamps.com, tel. +1 415 555 2671")
    kept, _ = ingested(tmp_path, "a.txt", options=Options(redact=redact))
    assert kept["a.txt"]["text"] == text


def test_replacements_are_counted_and_reported(tmp_path):
    write(tmp_path, "a.txt", "ada@lamps.com and bo@lamps.com")
    write(tmp_path, "b.txt", "Nothing here.")
    figures = checked(tmp_path, ".")
    assert figures["redacted/documents"] == 1 and figures["redacted/email"] == 2
    (notice,) = json.loads((tmp_path / "stage" / "notices.json").read_text())
    assert "1 documents: email 2." in notice and "names and postal addresses are not detected" in notice


def test_the_kinds_of_the_option_are_those_of_the_detectors():
    assert ingest.Kind.__args__ == KINDS and Kind is ingest.Kind and set(LABELS) == set(KINDS)


def test_a_private_key_is_replaced_whole():
    assert findings(f"Key:\n{PRIVATE_KEY}\nEnd.") == [("secret", PRIVATE_KEY)]
    in_json = json.dumps({"key": PRIVATE_KEY})
    assert findings(in_json) == [("secret", json.dumps(PRIVATE_KEY)[1:-1])]
    truncated = PRIVATE_KEY.rpartition("\n")[0]
    assert findings(f"{truncated}\n\nThe next paragraph.")[0][1].startswith(truncated)


def test_of_overlapping_values_the_earlier_kind_is_taken():
    assert findings("postgres://app:ada@db.lamps.org9@db.internal/x")[0][0] == "secret"
    assert [kind for kind, _ in findings("token=ghp_x7Kq2mPz9Lw4Rt8Vn3Bc6Yd1Fg5Hj0SaEu2T")] == ["secret"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from([case[2] for case in PLANTED]), st.text(max_size=30)), max_size=8))
def test_findings_are_ordered_disjoint_and_gone_afterwards(parts):
    text = "\n".join(parts)
    spans = detect(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(left.end <= right.start for left, right in itertools.pairwise(spans))
    redaction = Redaction(KINDS)
    redacted = redaction.text(text)
    assert sum(redaction.counts.values()) == len(spans)
    kept = [text[left.end : right.start] for left, right in itertools.pairwise(spans)]
    assert all(part in redacted for part in kept)


@pytest.mark.parametrize(
    "case", [case for case in PLANTED if case[0] in ("card", "iban")], ids=lambda case: case[1]
)
def test_a_wrong_check_digit_is_no_card_and_no_account(case):
    kind, value, text = case
    last = max(at for at, sign in enumerate(value) if sign.isdigit())
    wrong = f"{value[:last]}{(int(value[last]) + 1) % 10}{value[last + 1 :]}"
    assert kind not in [name for name, _ in findings(text.replace(value, wrong))]


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("DB_PASSWORD=correcthorse", "correcthorse"),
        ("export SMTP_PASS=Tr0ub4dor", "Tr0ub4dor"),
        ("PASSWORD=letmein", "letmein"),
        ("MYSQL_PASSWORD=password", None),
        ("PASSWORD=$DB_PASSWORD", None),
        ("PASSWORD=getpass()", None),
        ("PASSWORD_FILE=/run/secrets/db", None),
        ("PASSWORD=/run/secrets/db", None),
        ("BYPASS=enabled", None),
        ("password=correcthorse", "correcthorse"),
        ("    password=correcthorse", None),  # indented, it is usually an argument of a function
    ],
)
def test_the_value_of_an_environment_variable_is_a_secret_even_if_it_is_a_word(line, secret):
    assert findings(line) == ([("secret", secret)] if secret else [])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("[db]\nuser=app\npasswd=letmein\nport=5432", "letmein"),
        ("database:\n  host: db1\n  password: swordfish\n", "swordfish"),
        ("- user: app\n  password: swordfish  # old", "swordfish"),
        ("DB_HOST = 'db1'\nDB_PASSWORD = 'opensesame'", "opensesame"),
        ('{\n  "password": "swordfish",\n  "username": "app"\n}', "swordfish"),
        ('connect(\n    host="db1",\n    password="opensesame",\n)', "opensesame"),
        ("Benutzer: anna\nPasswort: sommerzeit", "sommerzeit"),
        ("user=app\n\npassword: swordfish", None),
        ("connect(host=host,\n    password=swordfish, user=user)", None),
        ("user: the name\npassword: string", None),
        ("user: the name\npassword: encrypted", None),
        ("user: the name\npassword: the word that the user chose", None),
        ("user: app\npassword: swordfish is one", None),
        ("The user: he gives\na password: swordfish is one.", None),
        ("host: the server\npassword:\n  changes daily", None),
        ("host: db1\npassword: /run/secrets/db", None),
        ("host: db1\npassword: ${DB_PASSWORD}", None),
        ("user: app\npassword_encryption: scrambled", None),
        ("self.user = parsed.user\nself.password = parsed.secret", None),
        ("self.user = user\nself.user_password = user_password", None),
        ("user: str\npassword: SecretStr", None),
    ],
)
def test_a_word_is_a_secret_where_a_line_of_configuration_assigns_it_next_to_the_user_or_server(text, secret):
    assert findings(text) == ([("secret", secret)] if secret else [])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("passwd=letmein", "letmein"),
        ("# settings\nsmtp.password=letmein ; old\nport=25", "letmein"),
        ("spring.mail.password='letmein'", "letmein"),
        ("https://x.org/login?user=ada&password=letmein&next=1", "letmein"),
        ("curl -d 'user=ada&passwd=letmein' x.org", "letmein"),
        ("curl 'https://x.org/?passwd=letmein'", "letmein"),
        ("Server=db1;Uid=app;Pwd=letmein;", "letmein"),
        ("host=db1 user=app password=letmein dbname=shop", "letmein"),
        ("mount -o username=ada,password=letmein //srv", "letmein"),
        ("password = getpass()", None),
        ("password=getpass()", None),
        ("password = letmein", None),  # in most languages a variable
        ("passwd=args.password", None),
        ("password=args", None),
        ("passwd=UserSecret", None),
        ("pwd=somewhere", None),  # the working folder of a shell
        ("password=$1", None),
        ("login.password=Kennwort", None),
        ("password=required", None),
        ("password=swordfish,", None),
        ("connect(host=db1, user=app, password=letmein)", None),
        ("With password=letmein the server starts.", None),
        ("mount -o username=NAME,password=PASSWORD", None),
        ("https://x.org/?password=invalid", None),
        ("if user==x and password==letmein:", None),
    ],
)
def test_a_word_is_a_secret_in_a_line_of_settings_a_query_and_a_connection(text, secret):
    assert findings(text) == ([("secret", secret)] if secret else [])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("**Password:** Tr0ub4dor3", "Tr0ub4dor3"),
        ("**Passwort**: Tr0ub4dor3", "Tr0ub4dor3"),
        ("Password: **Tr0ub4dor3**", "Tr0ub4dor3"),
        ("**Password:** `Tr0ub4dor3`", "Tr0ub4dor3"),
        ("Пароль — Tr0ub4dor3", "Tr0ub4dor3"),
        ("| Password | Tr0ub4dor3 |", "Tr0ub4dor3"),
        ("| User | Password |\n| --- | --- |\n| ann | none |\n| bob | Tr0ub4dor3 |", "Tr0ub4dor3"),
        ("| Token | User |\n|---|---|\n| f81Kd92mQp47Zx03Lr5T | bob |", "f81Kd92mQp47Zx03Lr5T"),
        ("The password for the router is Tr0ub4dor3 and that is all.", "Tr0ub4dor3"),
        ("パスワードは「Tr0ub4dor3」です", "Tr0ub4dor3"),
        ("- name: DB_PASSWORD\n  value: Tr0ub4dor3", "Tr0ub4dor3"),
        ('<add key="Password" value="Tr0ub4dor3" />', "Tr0ub4dor3"),
        ('{"name": "DB_PASSWORD", "value": "Tr0ub4dor3"}', "Tr0ub4dor3"),
        ('let password: String = "Tr0ub4dor3".into();', "Tr0ub4dor3"),
        ("password: >-\n  Tr0ub4dor3", "Tr0ub4dor3"),
        ("password: !vault Tr0ub4dor3", "Tr0ub4dor3"),
        ('os.environ.get("PASSWORD", "Tr0ub4dor3")', "Tr0ub4dor3"),
        ('setPassword("Tr0ub4dor3")', "Tr0ub4dor3"),
        ("ENV DB_PASSWORD Tr0ub4dor3", "Tr0ub4dor3"),
        ("CREATE USER bob IDENTIFIED BY 'Tr0ub4dor3'", "Tr0ub4dor3"),
        ("redis-cli -h db1 -a Tr0ub4dor3 ping", "Tr0ub4dor3"),
        ('psk="Tr0ub4dor3"', "Tr0ub4dor3"),
        ("Username:\tann\nPassword\tTr0ub4dor3\nHost\tdb1", "Tr0ub4dor3"),
        ("user\tpassword\thost\nann\tnone\tdb1\nbob\tTr0ub4dor3\tdb2\nThe end.", "Tr0ub4dor3"),
        ("user,password\nbob,Tr0ub4dor3", "Tr0ub4dor3"),
        ('name,password\n"Doe, Ann",none\n"Roe, Bob",Tr0ub4dor3', "Tr0ub4dor3"),
        ("name|password\nbob|Tr0ub4dor3", "Tr0ub4dor3"),
        ("+---+---+\n| user | password |\n+---+---+\n| ann | Tr0ub4dor3 |\n+---+---+", "Tr0ub4dor3"),
        ("usuario;clave\nana;Tr0ub4dor3", "Tr0ub4dor3"),
        ("| Clave | Descripción |\n| --- | --- |\n| MX-20931 | Bomba |", None),
        ("token;lemma\nGemeinde2024Straße1;x", None),
        ("| API key | Use |\n| --- | --- |\n| GOOGLE_MAPS_API_KEY_V2 | maps |", None),
        ("password,user\nThe end.\nv1.2.3-beta", None),
        ('"user";"Passwort"\n"bob";"Tr0ub4dor3"', "Tr0ub4dor3"),
        ("- user ann, password Tr0ub4dor&3", "Tr0ub4dor&3"),
        ("* **Password** Tr0ub4dor&3\n", "Tr0ub4dor&3"),
        ("1. Password - Tr0ub4dor&3", "Tr0ub4dor&3"),
        ("Passwort für das Archiv: Tr0ub4dor3", "Tr0ub4dor3"),
        ("Password (temporary): Tr0ub4dor3", "Tr0ub4dor3"),
        ("pass: Tr0ub4dor3", "Tr0ub4dor3"),
        ("wifi key: Tr0ub4dor3", "Tr0ub4dor3"),
        ("sqlplus scott/Tr0ub4dor3@orcl", "Tr0ub4dor3"),
        ("jdbc:oracle:thin:scott/Tr0ub4dor3@db:1521:orcl", "Tr0ub4dor3"),
        ("api_key\tf81Kd92mQp47Zx03Lr5T", "f81Kd92mQp47Zx03Lr5T"),
        ("password\trequisite\tpam_cracklib.so retry=3", None),
        ("password\tstring\tThe new password.", None),
        ("The user, password, and host2name\nit's, a, town1st", None),
        ("token\tlabel\nIBM2000\tB-ORG", None),
        ("user\tpassword\nann\tnone\nsee\tchapter12!\tbelow", None),
        ("password P@ssw0rd is a common example", None),
        ("change the password every 90 days!", None),
        ("the password for the database: see vault2", None),
        ("3 tests pass: 10km/h", None),
        ("Use --password FILE to read it.", None),
        ("jdbc:oracle:thin:@//host:1521/service", None),
        ('authenticate("password", "username")', None),
        ('fields = ["password", "firstName", "lastName"]', None),
        ("**Password**: required", None),
        ("**Password:** The password of the account", None),
        ("Password — the secret word", None),
        ("| password | string | required |", None),
        ("| Field | Type |\n| --- | --- |\n| password | varchar(255) |", None),
        ("| Field | Password policy |\n| --- | --- |\n| length | 8-64chars |", None),
        ("The token for the API is case-sensitive.", None),
        ('password: str = "secret"', None),
        ('setPassword("password")', None),
        ("ENV API_KEY $KEY", None),
        ("passwd(5) — the file", None),
    ],
)
def test_a_password_is_found_whatever_stands_between_its_name_and_it(text, secret):
    assert findings(text) == ([("secret", secret)] if secret else [])


@pytest.mark.parametrize(
    ("command", "secret"),
    [
        ("docker login -u ada -p Tr0ub4dor3", "Tr0ub4dor3"),
        ("docker login -u ada -p swordfish registry", "swordfish"),
        ("mysqldump --user root --password swordfish db", "swordfish"),
        ("backup --password Tr0ub4dor3 --all", "Tr0ub4dor3"),
        ("wget --http-password='Tr0ub4dor3' https://example.org", "Tr0ub4dor3"),
        ("keytool -storepass Tr0ub4dor3 -list", "Tr0ub4dor3"),
        ("openssl rsa -passin pass:Tr0ub4dor3 -in key", "Tr0ub4dor3"),
        ("unlock --passcode 471199", "471199"),
        ("unzip -P Tr0ub4dor3 a.zip", "Tr0ub4dor3"),
        ("7z x -pTr0ub4dor3 a.7z", "Tr0ub4dor3"),
        ("smbclient //srv/share -U ada%Tr0ub4dor3", "Tr0ub4dor3"),
        ("xfreerdp /u:ada /p:Tr0ub4dor3", "Tr0ub4dor3"),
        ('ldapsearch -D "cn=admin,dc=x" -w Tr0ub4dor3', "Tr0ub4dor3"),
        ("ipmitool -U admin -P Tr0ub4dor3 power on", "Tr0ub4dor3"),
        ("CREATE ROLE ada IDENTIFIED BY 'Tr0ub4dor3'", "Tr0ub4dor3"),
        ('grant all to ada identified by "swordfish"', "swordfish"),
        ("backup --password FILE", None),
        ("backup --password $PASS", None),
        ("backup --password=<password>", None),
        ("With --password the command asks for it; --password forces a prompt.", None),
        ("backup --passphrase-file /etc/keys/a1", None),
        ("msbuild x.vcxproj /p:OutDir=lib", None),
        ("x265 --pass 2 --bitrate 1000", None),
        ("ssh -l ada -p 2222 host", None),
        ("ssh -l ada -p PORT host", None),
        ("git log -u -p HEAD", None),
        ("sudo -u ada -p /tmp/a1/b2", None),
        ('the message of those identified by "squash" commands', None),
    ],
)
def test_a_password_among_the_arguments_of_a_command_is_a_secret(command, secret):
    assert findings(command) == ([("secret", secret)] if secret else [])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (
            "user      password     host\nann       none         db1\nbob       Tr0ub4dor3   db2\n",
            "Tr0ub4dor3",
        ),
        ("username   password\n--------   --------\nbob        Tr0ub4dor3", "Tr0ub4dor3"),
        ("login password\nbob Tr0ub4dor3", "Tr0ub4dor3"),
        ("Name        PIN\nAnn Doe     4711", "4711"),
        ("the user and password\nof the room4all house", None),
        ("  Keep your password   safe\nfrom the   room4all   house", None),
        ("user  password  rights\nThe end  of th3", None),
    ],
)
def test_a_column_between_spaces_that_is_named_for_passwords_holds_secrets(text, secret):
    assert findings(text) == ([("secret", secret)] if secret else [])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("81.2.69.142 logged in", "81.2.69.142"),
        ("nameserver 9.9.9.9", "9.9.9.9"),
        ("http://1.2.3.4/index", "1.2.3.4"),
        ("It listens on port 80 of 4.4.2.1:8080.", "4.4.2.1"),
        ("Git versions prior to 1.5.1.2 over", None),
        ("libz 1 (>= 1:1.2.3.3.dfsg), Debian Policy 4.6.2.0, 2022", None),
        ("  49.6.4.20.\u00a0Callback\n  7.8.2.2. Detection of cycles\n25.1.5.1.\u00a0Wraparound", None),
        ("127.0.0.1, 192.0.2.1, 255.255.255.0, 10.0.0.0/8 and 0.0.0.0", None),
    ],
)
def test_a_section_and_a_version_are_no_address(text, address):
    assert findings(text) == ([("ip", address)] if address else [])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("51 Franklin Street, Boston, MA\n#   02110-1301, USA", None),
        ("as defined in Clause\n252.227-7013 of DFARS", None),
        ("2016-2020 Endless Mobile\n 2017-2022 Endless", None),
        ("Büro 02110-1301345", "02110-1301345"),
        ("call 212.227-7013", "212.227-7013"),
    ],
)
def test_the_code_of_a_place_a_clause_and_years_are_no_phone_number(text, number):
    assert findings(text) == ([("phone", number)] if number else [])


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com, o'neil@mail.Example.ORG, a@b.test, x@y.invalid and me(at)host.example",
        "GET /?user=ada%40example.net",
        "Phone: 555-0123, (212) 555-0187, +1-202-555-0143, tel. 1 800 555 0199",
        "Tel. +44 20 7946 0958, 01632 960001, +44 (0)7700 900123, phone 0161 496 0000",
        "ping 192.0.2.1, 198.51.100.23, 203.0.113.7, 2001:db8::1, 127.0.0.1, 10.1.2.3 or 255.255.255.0",
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "password: hunter2, amqp://guest:guest@localhost, sqlplus scott/tiger@orcl, MYSQL_ROOT_PASSWORD=my-secret-pw",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "username: foo\npassword: barbaz",
    ],
)
def test_published_examples_belong_to_nobody(text):
    assert findings(text) == []


def test_every_documented_form_of_a_secret_is_found():
    """The examples in the table of docs/documents.md."""
    rows = re.findall(
        r"^\| .* \| (`.*`) \|$", DOCUMENTATION.read_text().partition("| secret | example |")[2], re.M
    )
    examples = [example for row in rows for example in re.findall(r"`([^`]+)`", row)]
    assert len(examples) > 15
    kinds = {example: {kind for kind, _ in findings(example.replace("⏎", "\n"))} for example in examples}
    assert [example for example, found in kinds.items() if "secret" not in found] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mail ada@example.co.uk", "ada@example.co.uk"),
        ("mail ada@myexample.com", "ada@myexample.com"),
        ("mail ada@latest.com", "ada@latest.com"),
        ("Phone: 555-0223", "555-0223"),
        ("Phone: (212) 555-1187", "(212) 555-1187"),
        ("Tel. 020 7947 0958", "020 7947 0958"),
        ("AKIAIOSFODNN7EXAMPLX", "AKIAIOSFODNN7EXAMPLX"),
        ("postgres://app:S3cr3tXYZ@db.example.com/x", "S3cr3tXYZ"),  # only the host was replaced by hand
    ],
)
def test_what_only_resembles_a_published_example_is_found(text, value):
    assert [found for _, found in findings(text)] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "new URL('https://abc:xyz@example.com')",
        "PWD: '/Users/ada'",
        '"OLDPWD": "/home/ada/src"',
        "cvs://a:anoncvs@x.org",
    ],
)
def test_examples_and_paths_are_no_secrets(text):
    assert findings(text) == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("PIN: 4711", "4711"),
        ("The PIN is 4711.", "4711"),
        ("PIN-Code\t123987", "123987"),
        ("| PUK | 12345678 |", "12345678"),
        ("| Name | PIN |\n| --- | --- |\n| Ann | 4711 |", "4711"),
        ("name\tPIN\nAnn\t4711", "4711"),
        ("CVV: 123", "123"),
        ("Your verification code is 482913.", "482913"),
        ("one-time password: 482913", "482913"),
        ("Türcode: 482913", "482913"),
        ("482913 is your verification code.", "482913"),
        ("Use 482 913 as your OTP.", "482 913"),
        ("Your OTP for the login is 482913.", "482913"),
        ("One-Time Password: 482913", "482913"),
        ("PIN (temporary): 4711", "4711"),
        ("**PIN:** `4711`", "4711"),
        ('{"pin": "4711"}', "4711"),
        ("PUK1: 12345678", "12345678"),
        ("PIN 13 is ground, PIN: 14 and PIN: 123 too", None),
        ("The PIN has 4711 uses", None),
        ("| PIN | Signal |\n| --- | --- |\n| 12 | GND |", None),
        ("Error code: 12345, postal code: 90210, source code: 2024", None),
        ("TAN: 1234.56 and the security code is 2013-14", None),
        ("Enter the PIN: 4 digits", None),
        ("482913 is your order number and 4711 is your postal code", None),
        ("14 Hosur Road, Bengaluru, PIN: 560034", None),
        ("city,state,PIN\nBengaluru,Karnataka,560034", None),
        ("OTP: 4096 bits", None),
        ("| OTP | 4096 | bytes |", None),
        ("The security code is 2024-compliant", None),
        ("Enter PIN 4711 to open the door.", "4711"),
        ("Log in with PIN 4711.", "4711"),
        ("Geben Sie die PIN 4711 ein.", "4711"),
        ("PIN 1024 is ground; use PIN 13", None),
        ("door access code: 4711", "4711"),
        ("access code: 4001 (an error code)", None),
        ("It returns the access code: 4001", None),
        ("WLAN-Schlüssel: 83640192736450918273", "83640192736450918273"),
        ("WiFi key: 8364 0192 7364 5091 8273", "8364 0192 7364 5091 8273"),
        ("| Wi-Fi password | 83640192 |", "83640192"),
        ("SSID: Lighthouse\nKey: 83640192", "83640192"),
        ("WiFi Lighthouse, key 83640192", "83640192"),
        ("A WPA key of 12345678 bits, WiFi key: 1234", None),
    ],
)
def test_a_number_that_opens_something_is_a_secret_beside_its_name(text, secret):
    assert findings(text) == ([("secret", secret)] if secret else [])


SESSION = "8f3a9c1b2d4e5f60718293a4b5c6d7e8"


@pytest.mark.parametrize(
    "text",
    [
        f"Cookie: theme=dark; sid={SESSION}; lang=en",
        f"Set-Cookie: session={SESSION}; Path=/; HttpOnly",
        f"curl -H 'Cookie: a=1;b={SESSION}' https://example.org",
        f"/index.php?PHPSESSID={SESSION}&page=2",
        f"Authorization: {SESSION}",
        f"JSESSIONID: {SESSION}",
        f"document.cookie = 'sid={SESSION}'",
        f"Authorization: ApiKey {SESSION}",
        f'"Proxy-Authorization": "Negotiate {SESSION}"',
    ],
)
def test_cookies_and_credentials_of_requests_are_secrets(text):
    assert findings(text) == [("secret", SESSION)]


@pytest.mark.parametrize(
    "text",
    [
        "Set-Cookie: lang=en-US; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        "Authorization: https://example.com/docs/authorization-2024",
        "authorization = base64.decodebytes(authorization)",
        r'"Set-Cookie: fig=newton1\r\nSet-Cookie: sugar=wafer2"',
        "Cookie: policy=https://example.com/cookie-policy-2024-v2",
        "Authorization: see-section-12-of-the-manual",
        "Authorization: AWS4-HMAC-SHA256 follows",
        "Authorization: Bearer $TOKEN",
    ],
)
def test_other_headers_are_no_secrets(text):
    assert findings(text) == []


@pytest.mark.slow
def test_many_passwords_on_one_line_take_linear_time():
    """At a constant cost per name, this takes a second; with a scan of the line for each, an hour."""
    text = "user: app " + "password: swordfish " * 100_000
    assert not [kind for kind, _ in findings(text) if kind == "secret"]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "unit",
    [
        *(
            "PIN: ",
            "user\tpassword\n",
            "\tpassword",
            "Cookie: a=b ",
            "Authorization: ",
            "password for ",
            "pass: ",
        ),
        *("Cookie:x", "Authorization1", " -u a", "--pass ", "SSID ", "user  password\n"),
    ],
)
def test_many_names_without_values_take_linear_time(unit):
    """In quadratic time each takes an hour."""
    assert not [kind for kind, _ in findings(unit * 300_000) if kind == "secret"]


@pytest.mark.timeout(60)
def test_a_table_that_ends_in_a_backslash_takes_linear_time():
    """In cubic time it takes a day."""
    assert findings(f"| user | password |\n| --- | --- |\n| ann | Tr0ub4dor3 |\n| {'b' * 200_000}\\") == [
        ("secret", "Tr0ub4dor3")
    ]


@pytest.mark.parametrize(
    "name",
    ["SHA-256", "AES-256-GCM", "PBKDF2-HMAC-SHA256", "NTLMv2", "TLSv1.2", "argon2id", "WPA3", "ISO-8859-1"],
)
def test_the_name_of_an_algorithm_is_no_password(name):
    text = f'| Password | {name} |\nPassword: {name}\npassword: "{name}"'
    assert findings(text) == []
    assert findings(text.replace(name, f"{name}#x9"))


def test_the_parameters_of_documented_functions_are_no_secrets():
    text = "password: string\npassword=None\npassword = os.environ['X']\nThe password is stored in the file."
    assert findings(text) == []
