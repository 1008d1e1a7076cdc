"""The rules of the students and of the sales leads, apart from the pipelines: pure functions of frames."""
