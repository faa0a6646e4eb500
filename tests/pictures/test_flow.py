from xml.etree import ElementTree as ET

import pytest

from collector.processes.roles import ROLES, Input, Role
from tests.pictures.flow import FOLDER, HOSTS, picture, roles_of

NOTARY = Role(
    "notary", "collector.processes.notary.process", 2, "notary", inputs=(Input("writer", "sealed", "segments"),)
)


@pytest.mark.parametrize("name", HOSTS)
def test_a_picture_in_the_docs_is_drawn_from_the_table_of_roles(name: str) -> None:
    drawn = picture(roles_of(HOSTS[name]))
    assert (FOLDER / name).read_text("utf-8") == drawn, "run .venv/bin/python -m tests.pictures.flow"


def test_a_new_row_of_the_table_is_a_new_box_with_its_arrow() -> None:
    before, after = picture(ROLES), picture([*ROLES, NOTARY])
    assert after.count('class="role"') == before.count('class="role"') + 1
    assert after.count('class="flow"') == before.count('class="flow"') + 1
    assert ">notary</text>" in after


def test_the_picture_is_valid_and_nothing_leaves_its_frame() -> None:
    root = ET.fromstring(picture([*ROLES, NOTARY]))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    boxes = [element for element in root.iter() if element.tag.endswith("rect") and "x" in element.attrib]
    assert len(boxes) > len(ROLES)
    for box in boxes:
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= width
        assert float(box.attrib["y"]) + float(box.attrib["height"]) <= height
