import json

from hypothesis import given

from search_space.export.provenance import Provenance
from search_space.export.spec_json import export_spec, short_document, written
from search_space.fingerprint import fingerprint
from search_space.plan import TargetNetwork, resolve
from search_space.reference import REFERENCES, published_target, reference
from search_space.spec import NOTES, ArchitectureSpec
from tests.search_space.origins import FOUND
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes

TARGET = TargetNetwork(image_size=640)
UNKNOWN = Provenance()


@given(spaces_with_genotypes())
def test_both_forms_read_back_to_an_equal_spec(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype, name='a "name"\n\\')
    assert ArchitectureSpec.from_json(export_spec(spec, TARGET, UNKNOWN)) == spec
    assert ArchitectureSpec.from_document(short_document(spec)) == spec


def test_references_read_back_to_an_equal_spec() -> None:
    for name in REFERENCES:
        assert ArchitectureSpec.from_json(export_spec(reference(name), published_target(name), UNKNOWN)) == reference(
            name
        )
        assert ArchitectureSpec.from_document(short_document(reference(name))) == reference(name)


def test_the_text_is_the_whole_document_with_a_line_for_each_block() -> None:
    spec = reference("spinenet-49")
    text = export_spec(spec, TARGET, UNKNOWN)
    document = json.loads(text)
    assert {name: value for name, value in document.items() if name not in NOTES} == spec.to_document()
    assert sum('"block_type"' in line for line in text.splitlines()) == 17  # 2 stem and 15 searched blocks
    assert '"schema_version": 2' in text
    assert text.endswith("}\n")


def test_beside_the_spec_stand_fingerprint_target_and_origin() -> None:
    spec = reference("spinenet-49")
    document = json.loads(export_spec(spec, TARGET, FOUND))
    assert document["fingerprint"] == fingerprint(resolve(spec, TARGET))
    assert document["target"] == {"image_size": [640, 640], "width_scale": 1.0, "head": "retinanet", "num_classes": 91}
    origin = document["provenance"]
    assert (origin["search"], origin["trial"], origin["search_seed"]) == ("cells-1", 4, 7)
    assert (origin["proxy"]["steps"], origin["seed"]) == (300, 4)
    assert origin["val"] == {"average_precision": 0.25, "standard_error": 0.006, "seeds": [1000, 1001, 1002]}
    assert origin["references"][0]["name"] == "spinenet-49"
    assert origin["proxy_backbone"] == {"parameters": 100, "multiply_adds": 1000}


def test_a_published_architecture_names_its_source_and_nothing_else() -> None:
    document = json.loads(export_spec(reference("spinenet-49"), TARGET, Provenance(source="a paper")))
    assert document["provenance"] == {"source": "a paper"}


def test_the_short_document_keeps_what_differs_from_the_default() -> None:
    document = short_document(reference("spinenet-190"))
    assert document["blocks"][0] == {"block_type": "bottleneck", "level": 2, "parents": [0, 1], "repeats": 4}
    assert document["stem"]["blocks"][0] == {"block_type": "bottleneck", "level": 2, "repeats": 4}


def test_long_blocks_are_continued_where_lines_have_a_limit() -> None:
    document = short_document(reference("eff-spinenet-d1"))
    text = written(document, line_length=60)
    assert json.loads(text) == document
    assert all(len(line) <= 60 for line in text.splitlines() if line.startswith("     "))
    assert sum('"block_type"' in line for line in text.splitlines()) == 18  # 2 stem and 16 searched blocks
    assert written(document, line_length=1000) == written(document)
