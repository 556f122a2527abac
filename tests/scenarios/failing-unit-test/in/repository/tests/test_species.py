def test_a_whale_is_an_iris() -> None:
    assert "whale" in ("setosa", "versicolor", "virginica"), "no whale among the species"
