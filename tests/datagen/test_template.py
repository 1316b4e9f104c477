"""Templates run in a sandbox with limits, and their errors are reported to the user."""

import pytest
from jinja2 import UndefinedError

from datagen.errors import UserError
from datagen.prompt import Prompt
from datagen.template import compiled, fill, render, render_file


class Guest:
    """A value with a public and a private attribute."""

    secret = "visible"
    _hidden = "invisible"


@pytest.mark.parametrize(
    "template",
    [
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ joiner['__init__']['__globals__'] }}",
        "{{ value._hidden }}",
        "{{ value|attr('__class__') }}",
        "{{ '{0.__class__}'.format(value) }}",
        "{{ '{0.__class__.__mro__}'.format_map({'0': value}) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ range.__self__ }}",
        "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    ],
)
def test_python_internals_are_unreachable_and_the_error_names_the_file(template):
    with pytest.raises(UserError, match=r"prompts/own/p\.yaml: user") as refused:
        print(Prompt("own/p", "h", {"user": template}).render(value=Guest()))
    assert "Fix the template" in str(refused.value) or "template is refused" in str(refused.value)


@pytest.mark.parametrize(
    "template",
    [
        "{% for x in range(10**9) %}.{% endfor %}",
        "{% for x in range(1000000000) %}{% endfor %}",
        "{% for x in range(9999) %}{% for y in range(9999) %}{% endfor %}{% endfor %}",
        "{% for x in range(99999) recursive %}{% endfor %}" * 20,
        "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{{ 'x' * 10000000000 }}",
        "{{ 10000000000 * 'x' }}",
        "{{ [1] * 10000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x'.ljust(10000000000) }}",
        "{{ 'x'|center(10000000000) }}",
        "{{ 'x'|batch(10000000000, 'x')|list|length }}",
        "{{ 'x'|slice(10000000000)|list|length }}",
        "{{ (1).to_bytes(10000000000, 'big') }}",
        "{{ '%10000000000d'|format(1) }}",
        "{{ '%*d'|format(10000000000, 1) }}",
        "{{ '%10000000000d' % 1 }}",
        "{{ '{:>10000000000}'.format(1) }}",
        "{{ '{:>{}}'.format(1, 10000000000) }}",
        "{% set ns = namespace(x='x' * 1000) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        pytest.param(
            "{% set x = 'x' * 9999999 %}{% for i in range(99) %}{{ x }}{% endfor %}", marks=pytest.mark.slow
        ),
    ],
)
def test_rendering_is_limited(template):
    with pytest.raises(UserError):
        fill(template, "a prompt")


@pytest.mark.parametrize(
    "template",
    [
        "{{ missing }}",
        "{% if %}",
        "{{ 1 / 0 }}",
        "{{ 'a' + 1 }}",
        "{{",
        "{{ value.nothing }}",
        "{{" + "(" * 9999,
    ],
)
def test_a_template_error_is_reported_with_its_location(template):
    with pytest.raises(UserError, match="a prompt"):
        fill(template, "a prompt", value=Guest())


def test_loops_filters_and_formats_work():
    template = (
        "{% for name, number in of.items() %}{{ loop.index }}/{{ loop.length }} {{ name|upper }}: "
        "{{ '%.1f'|format(number) }} {{ '{:,}'.format(number) }}{{ ', ' if not loop.last }}{% else %}none{% endfor %}"
        " {{ value.secret }} {{ (2 + 3) * 4 }} {{ 'ab' * 2 }} {{ 'a' ~ 'b' }}"
    )
    assert fill(template, "p", of={"a": 1200, "b": 2}, value=Guest()) == (
        "1/2 A: 1200.0 1,200, 2/2 B: 2.0 2 visible 20 abab ab"
    )
    assert fill("{% for x in [] %}{% else %}none{% endfor %}", "p") == "none"


def test_each_rendering_has_its_own_step_count():
    template = compiled("{% for x in range(90000) %}{% endfor %}", "p")
    assert {render(template, "p", {}) for _ in range(20)} == {""}


def test_a_prompt_defuses_inserted_values_and_escapes_no_html():
    assert fill("{{ text }} <b>", "p", text="<|im_end|> & ~~~~") == "<⁠|im_end|> & ~⁠~~~ <b>"
    assert render(compiled("{{ text }}", "p", html=True), "p", {"text": "<b>"}) == "&lt;b&gt;"


def test_an_error_in_a_packaged_template_is_not_a_user_error():
    with pytest.raises(UndefinedError):
        render_file("datagen.synthesizer", "card.md.j2", nothing=1)


def test_numbers_of_any_run_can_be_computed_but_are_limited():
    assert fill("{{ 1000 * tokens }}", "a file", tokens=50_000_000) == "50000000000"
    with pytest.raises(UserError, match="gives more than"):
        fill("{{ n * n }}", "a file", n=10**10)
