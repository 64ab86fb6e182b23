"""Finds the image files that tables refer to."""

from collections import defaultdict


class ImageNames:
    """Finds image files by the names that people write in tables.

    These are, in upper or lower case: "a1", "a1.png", "ward/a1.png",
    "images/a1.png".

    Args:
        root: The folder of the images.
        paths: The image files below it.
    """

    def __init__(self, root, paths):
        self.root = root
        paths = list(paths)
        self._paths = {}
        # With the extension first: "a.png" means that file, not "a.png.tif".
        for path in paths:
            relative = path.relative_to(root)
            self._paths[path.name.lower()] = path
            self._paths[relative.as_posix().lower()] = path
        for path in paths:
            relative = path.relative_to(root).with_suffix("")
            self._paths.setdefault(path.stem.lower(), path)
            self._paths.setdefault(relative.as_posix().lower(), path)

    def find(self, name):
        """The image file, or None."""
        key = name.replace("\\", "/").lower().removeprefix("./")
        return self._paths.get(key.removeprefix(f"{self.root.name}/"))


def match_rows(file, rows, root, groups, problems):
    """The rows of each image.

    Args:
        file: The table, for messages.
        rows: Objects with the attributes image and line.
        root: The folder of the images.
        groups: {stem in lower case: [image files]}.
        problems: List to which (file, message) of rows without an image are
            added.

    Returns:
        {image file: [its rows]}.
    """
    names = ImageNames(root, (p for group in groups.values() for p in group))
    matched = defaultdict(list)
    for row in rows:
        path = names.find(row.image)
        if path is None:
            problems.append(
                (
                    file,
                    f"{file}, line {row.line}: there is no image "
                    f"'{row.image}' in {names.root}. Expected a file name "
                    "with or without extension; correct it, add the image, "
                    "or remove the row.",
                )
            )
        else:
            matched[path].append(row)
    return matched
