module grille

go 1.24
