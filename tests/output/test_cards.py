import yaml
from pydantic import BaseModel, ConfigDict, computed_field

from critique_graph.metrics.intervals import Rate, wilson
from critique_graph.output.cards import (
    UNKNOWN,
    card,
    cost_section,
    counted,
    fields_section,
    hub_header,
    licence_section,
    prompts_section,
    settings_section,
    source_of,
)


def test_card_is_title_lead_and_the_sections_that_say_something() -> None:
    text = card("Talks", "Made here.", {"Quality": "good", "Funnel": "", "Cost": "none"})
    assert text == "# Talks\n\nMade here.\n\n## Quality\n\ngood\n\n## Cost\n\nnone\n"


def test_card_begins_with_the_header_of_the_hub() -> None:
    header = hub_header("Talks", source_of("hf:openai/gsm8k:main:train"), "rows.jsonl", 1_000, tag="talk")
    text = card("Talks", "Made here.", {}, header=header)
    assert text.endswith("---\n# Talks\n\nMade here.\n")
    fields = yaml.safe_load(text.split("---\n")[1])
    assert (fields["license"], fields["size_categories"], fields["tags"]) == (
        "mit",
        ["1K<n<10K"],
        ["math", "talk", "critique-graph"],
    )


def test_cost_names_the_roles_that_were_called() -> None:
    text = cost_section({"actor": 1_200, "critic": 0}, {"actor": 34_000, "total": 34_000}, 9.6)
    assert text.splitlines()[2:] == [
        "| actor | 1,200 | 34,000 |",
        "",
        "The whole run used 34,000 tokens and took 10 s.",
    ]


def test_fields_have_types_and_meanings() -> None:
    class Row(BaseModel):
        model_config = ConfigDict(use_attribute_docstrings=True)

        level: int | None
        """Its level,
        or null."""

        @computed_field  # type: ignore[prop-decorator]
        @property
        def share(self) -> Rate:
            """How many."""
            return wilson(1, 2)

    assert "| `share` | object | How many. |" in fields_section("rows/1", Row)
    assert "| `level` | integer or null | Its level, or null. |" in fields_section("rows/1", Row)


def test_settings_are_published_without_addresses_of_servers() -> None:
    text = settings_section({"seed": 0, "actor_base_url": "http://gpu7", "strategies": ["rg1", "rg2"]})
    assert text.splitlines()[2:] == ["| `seed` | 0 |", "| `strategies` | rg1, rg2 |"]


def test_settings_can_say_which_wording_the_prompts_had() -> None:
    assert prompts_section("solve: {}\n", {"solve": "4a40"}).startswith(
        "By the first digits of the SHA-256: solve `4a40`."
    )


def test_licence_that_is_not_known_is_to_be_stated() -> None:
    assert "state it in the header before" in licence_section(UNKNOWN)
    assert "under mit;" in licence_section(source_of("hf:EleutherAI/hendrycks_math"))


def test_counts_are_written_in_a_line() -> None:
    assert (counted({"truncated": 3, "duplicate": 1}), counted({})) == ("3 truncated, 1 duplicate", "none")
