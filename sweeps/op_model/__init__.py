"""Operations of Tensix cores over block shapes, formats and modes: what op models are fitted on."""
