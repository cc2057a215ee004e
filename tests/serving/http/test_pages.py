from __future__ import annotations

import base64
import hashlib
import posixpath
import re

import pytest
from flask.testing import FlaskClient

from recipeline.serving.http import pages
from recipeline.serving.model.loading import ServedModel
from tests.serving.helpers import Make

PLAYGROUND = pages.STATIC / "playground"
SOURCES = {name: (PLAYGROUND / f"{name}.js").read_text(encoding="utf-8") for name in pages.MODULES}
IMPORT = re.compile(r'^import \{ ([^}]+) \} from "(\.{1,2}/[\w/]+)\.js";$', re.MULTILINE)
TOP_LEVEL = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)


def digests(page: str, tag: str) -> list[str]:
    texts = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]


@pytest.mark.parametrize("path", ["/playground", "/docs"])
def test_a_pages_policy_allows_its_own_scripts_and_style_by_digest_and_asks_only_its_own_service(
    client: FlaskClient, path: str
) -> None:
    answer = client.get(path)
    policy = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    page = answer.get_data(as_text=True)
    assert answer.mimetype == "text/html"
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["script-src"].split() == digests(page, "script")
    assert policy["style-src"].split() == digests(page, "style")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    own = re.sub(r"<(script|style)([^>]*)>.*?</\1>", r"<\1\2>", page, flags=re.DOTALL)
    assert not re.search(r'<(?:script|link|img)[^>]* (?:src|href)=(?!"data:)', own)


@pytest.mark.parametrize("path", ["/playground", "/docs"])
def test_a_page_that_has_not_changed_is_not_sent_again(client: FlaskClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.get_data()) == (304, b"")
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/playground", "/docs", "/openapi.json"])
def test_pages_are_there_without_a_model_and_without_a_token(make_client: Make, path: str) -> None:
    assert make_client(served=None, tokens=("secret",)).get(path).status_code == 200


def test_the_pages_are_about_no_model_in_particular(client: FlaskClient, model: ServedModel) -> None:
    page = client.get("/playground").get_data(as_text=True)
    for name in (model.info.target.name, *model.schema.names, "wine"):
        assert not re.search(rf"\b{name}", page, re.IGNORECASE)


def test_every_module_is_part_of_the_page_and_imports_only_what_stands_before_it_and_exports_it() -> None:
    assert {str(path.relative_to(PLAYGROUND).with_suffix("")) for path in PLAYGROUND.rglob("*.js")} == set(pages.MODULES)
    for place, name in enumerate(pages.MODULES):
        for names, address in IMPORT.findall(SOURCES[name]):
            module = posixpath.normpath(posixpath.join(posixpath.dirname(name), address))
            assert module in pages.MODULES[:place], (name, module)
            for imported in names.split(", "):
                assert re.search(rf"^export (?:async )?(?:function|class|const) {imported}\b", SOURCES[module], re.MULTILINE)


def test_the_modules_joined_have_no_name_twice_and_neither_import_nor_export() -> None:
    joined = pages.join_modules(SOURCES.values())
    names = TOP_LEVEL.findall(joined)
    assert len(names) == len(set(names))
    assert not re.search(r"^(?:import|export)\b", joined, re.MULTILINE)


def test_the_playground_has_no_way_to_make_html_or_code_of_text(client: FlaskClient) -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|setHTML|\beval\b|new Function|srcdoc"
    assert not re.search(ways, "".join(SOURCES.values()))
    policy = client.get("/playground").headers["Content-Security-Policy"]
    assert "require-trusted-types-for 'script'" in policy
    assert "trusted-types 'none'" in policy
