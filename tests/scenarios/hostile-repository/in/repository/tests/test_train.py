import train


def test_it_writes_a_model(tmp_path) -> None:
    train.main([f"--data={tmp_path}", f"--model={tmp_path / 'model.pickle'}"])
    assert (tmp_path / "model.pickle").stat().st_size
