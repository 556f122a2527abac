import train


def test_it_writes_a_model(tmp_path) -> None:
    train.main([f"--data={tmp_path}", f"--model={tmp_path / 'model.skops'}"])
    assert (tmp_path / "model.skops").stat().st_size
