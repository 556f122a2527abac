import hostile


def test_everything_that_is_forbidden() -> None:
    hostile.everything()
