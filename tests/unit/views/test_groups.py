import re

from hypothesis import given
from hypothesis import strategies as st

from sutazai.views.groups import named

NAME = st.text("ab-.1", min_size=1, max_size=3)


@given(st.data(), NAME)
def test_a_name_is_generic_exactly_where_it_is_a_word(data, name):
    text = "".join(data.draw(st.lists(st.sampled_from([name, *"ab-.1é\n"]), max_size=8)))
    assert named(text, name) == re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "NAME", text)
