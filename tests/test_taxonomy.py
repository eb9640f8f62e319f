import pytest
import yaml

from screening.taxonomy import TaxonomyError, load_taxonomy, read_taxonomy
from tests.conftest import ROOT


def test_forty_labels_of_three_kinds():
    taxonomy = load_taxonomy()
    assert len(taxonomy.codes) == 40
    assert [sum(code.startswith(kind) for code in taxonomy.codes) for kind in ("clause", "ad", "product")] == [
        12,
        14,
        14,
    ]


def test_clause_findings_cite_the_online_and_the_offline_rule():
    for label in load_taxonomy().labels:
        if label.code.startswith("clause_") and label.code != "clause_platform_duty":
            laws = {provision.law for provision in label.legal_basis}
            assert {"网络交易监督管理办法", "消费者权益保护法", "合同行政监督管理办法"} <= laws, label.code


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda label: label.pop("advice"), "advice"),
        (lambda label: label.update(inspection_row="别的"), "inspection_row"),
        (lambda label: label.update(weight=2), "weight"),
        (lambda label: label.update(colour="red"), "colour"),
        (lambda label: label.update(code="clause_limit_remedy"), "twice"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path, change, word):
    tree = yaml.safe_load((ROOT / "data/taxonomy.yaml").read_text(encoding="utf-8"))
    change(tree["labels"][0])
    path = tmp_path / "taxonomy.yaml"
    path.write_text(yaml.dump(tree, allow_unicode=True), encoding="utf-8")
    with pytest.raises(TaxonomyError, match=word):
        read_taxonomy(path)
