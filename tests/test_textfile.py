"""Encodings of text files, told by the text alone."""

import pytest

from screening.textfile import decode

SIMPLIFIED = "本店拥有最终解释权，会员卡一经售出，概不退换。"
TRADITIONAL = "本店擁有最終解釋權，會員卡一經售出，概不退換。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((SIMPLIFIED, own) for own in ("utf-8", "utf-8-sig", "utf-16", "gb18030")),
        *((TRADITIONAL, own) for own in ("utf-8", "utf-16", "gb18030", "cp950")),
        ("瑕疵", "gb18030"),
        ("囧囍喆垚", "gb18030"),
        ("price 100", "gb18030"),
    ],
)
def test_a_text_is_read_in_the_encoding_it_is_in(text, encoding):
    assert decode(text.encode(encoding), "a.txt") == text


def test_a_text_in_big5_is_read_however_much_of_it_is_ascii():
    text = "id,text\n" + "\n".join(f"{number},{TRADITIONAL}" for number in range(3000))
    assert decode(text.encode("cp950"), "a.csv") == text
